package store_test

import (
	"testing"

	"kahuna/internal/keyorder"
	"kahuna/internal/kv"
)

// BenchmarkWalk walks 100,000 keys of one bucket, beside a scan of them, and
// reads the first key of it.
func BenchmarkWalk(b *testing.B) {
	const n = 100_000
	s := benchStore(b, n)
	walk := func(b *testing.B, desc bool, limit int) {
		b.ReportAllocs()
		for b.Loop() {
			rows, err := s.Walk(keyorder.Prefix("users/"), desc)
			if err != nil {
				b.Fatal(err)
			}
			found := 0
			for ok := true; ok && found < limit; found++ {
				if _, ok, err = rows.Next(); err != nil {
					b.Fatal(err)
				}
			}
			if err := rows.Close(); err != nil || found < min(limit, n) {
				b.Fatal(found, err)
			}
		}
	}
	b.Run("all", func(b *testing.B) { walk(b, false, n+1) })
	b.Run("all desc", func(b *testing.B) { walk(b, true, n+1) })
	b.Run("first", func(b *testing.B) { walk(b, false, 1) })
	b.Run("last", func(b *testing.B) { walk(b, true, 1) })
	b.Run("scan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Scan(true, "users/", func(string, kv.Row) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
