package kahuna

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkReads reads parts of buckets of different lengths, also behind a
// million rows that were deleted or have expired. first-ms is the first read of
// that kind, which passes by the rows that are gone; ns/op is each one after it.
// The cost of a part does not grow with the bucket; that of counting it does.
func BenchmarkReads(b *testing.B) {
	const million = 1_000_000
	for _, c := range []struct {
		name       string
		rows, gone int
		expire     bool
	}{
		{"10", 10, 0, false},
		{"1000", 1000, 0, false},
		{"1000000", million, 0, false},
		{"10 behind 1000000 deleted", 10, million, false},
		{"10 behind 1000000 expired", 10, million, true},
		{"1000000 behind 1000000 expired", million, million, true},
	} {
		b.Run("rows="+c.name, func(b *testing.B) {
			db := openTest(b, b.TempDir(), nil)
			fillBucket(b, db, c.rows, c.gone, c.expire)
			for _, source := range []string{
				"get by bucket q limit 1",
				"get by bucket q desc limit 1",
				"scan by prefix 'q/' limit 1",
				"get by bucket q limit 10 after @middle",
				"return count(get by bucket q limit 10)",
			} {
				b.Run(source, func(b *testing.B) {
					middle := fmt.Sprintf("q/%d", 5*million+c.rows/2-5)
					run := func() {
						if _, err := db.Run(b.Context(), source, Params{"middle": middle}, nil); err != nil {
							b.Fatal(err)
						}
					}
					start := time.Now()
					run()
					first := time.Since(start)
					for b.Loop() {
						run()
					}
					b.ReportMetric(float64(first.Microseconds())/1000, "first-ms")
				})
			}
		})
	}
}

// fillBucket sets keys of the bucket q: first those that will be gone, then those
// that stay.
func fillBucket(b *testing.B, db *DB, rows, gone int, expire bool) {
	b.Helper()
	const piece = 5000
	run := func(source string, params Params) {
		if _, err := db.Run(b.Context(), source, params, nil); err != nil {
			b.Fatal(err)
		}
	}
	ttl := 0
	if expire {
		ttl = 1
	}
	fill := func(from, n, ttl int) {
		for ; n > 0; from, n = from+piece, n-piece {
			run("for i in @from..(@from + @n - 1) do set (concat('q/', i)) i ex @ttl end return 1",
				Params{"from": from, "n": min(n, piece), "ttl": ttl})
		}
	}
	fill(1_000_000, gone, ttl)
	if !expire {
		for left := gone; left > 0; left -= piece {
			run("delete by bucket q limit 5000", nil)
		}
	}
	fill(5_000_000, rows, 0)
}
