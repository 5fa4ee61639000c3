package kahuna

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkReads reads parts of long buckets, also behind a million rows that were
// deleted or have expired, in turns with the same read of a bucket of 10 rows.
// ratio is that of the medians: it does not grow with the bucket. first-ms is the
// first read of the long bucket, which passes by the rows that are gone.
func BenchmarkReads(b *testing.B) {
	const million = 1_000_000
	short := openTest(b, b.TempDir(), nil)
	fillBucket(b, short, 10, 0, false)
	for _, c := range []struct {
		name       string
		rows, gone int
		expire     bool
	}{
		{"1000", 1000, 0, false},
		{"1000000", million, 0, false},
		{"10 behind 1000000 deleted", 10, million, false},
		{"1000000 behind 1000000 expired", million, million, true},
	} {
		b.Run("rows="+c.name, func(b *testing.B) {
			long := openTest(b, b.TempDir(), nil)
			fillBucket(b, long, c.rows, c.gone, c.expire)
			for _, source := range []string{
				"get by bucket q limit 1",
				"get by bucket q desc limit 1",
				"scan by prefix 'q/' limit 1",
				"get by bucket q limit 5 after @middle",
			} {
				b.Run(source, func(b *testing.B) {
					read := func(db *DB, rows int) time.Duration {
						params := Params{"middle": fmt.Sprintf("q/%d", 5*million+rows/2)}
						start := time.Now()
						if _, err := db.Run(b.Context(), source, params, nil); err != nil {
							b.Fatal(err)
						}
						return time.Since(start)
					}
					first := read(long, c.rows)
					var short10, longer []time.Duration
					for b.Loop() {
						short10 = append(short10, read(short, 10))
						longer = append(longer, read(long, c.rows))
					}
					slices.Sort(short10)
					slices.Sort(longer)
					m, l := short10[len(short10)/2], longer[len(longer)/2]
					b.ReportMetric(float64(first.Microseconds())/1000, "first-ms")
					b.ReportMetric(float64(m.Nanoseconds()), "ns-of-10")
					b.ReportMetric(float64(l)/float64(m), "ratio")
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
