package partition

import (
	"context"
	"fmt"
	"testing"

	"kahuna/internal/kv"
	"kahuna/script"
)

// BenchmarkFirstRow reads the first row of a bucket with so many live rows, which
// are in the store, and so many that have ended before them.
func BenchmarkFirstRow(b *testing.B) {
	for _, space := range []kv.Space{kv.Persistent, kv.Ephemeral} {
		for _, c := range []struct{ live, ended int }{{10, 0}, {100_000, 0}, {10, 100_000}, {100_000, 100_000}} {
			b.Run(fmt.Sprintf("%s/live=%d/ended=%d", [...]string{kv.Persistent: "persistent", kv.Ephemeral: "ephemeral"}[space], c.live, c.ended), func(b *testing.B) {
				p := onStore(b, 1<<20)
				for i := range c.ended + c.live {
					key := fmt.Sprintf("k/%07d", i)
					p.run(workFunc(func(tx *Tx) error {
						_, err := tx.Set(space, key, "1", &script.SetOptions{})
						if err == nil && i < c.ended {
							_, err = tx.Delete(space, key)
						}
						return err
					}))
					if i%1000 == 0 || i == c.ended+c.live-1 {
						p.commit(true)
					}
				}
				k := Part{Range: Range{Space: space, Text: "k"}, Limit: 1}
				read := workFunc(func(tx *Tx) error {
					return tx.Read(k, 0, func(script.Row) error { return nil })
				})
				if _, _, err := p.Fast(context.Background(), read, nil, 1000, nil); err == script.ErrSlowPath {
					ticket := p.Acquire(&LockSet{Ranges: []Range{k.Range}})
					if _, _, err := p.Slow(read, ticket, SlowOptions{Now: func() int64 { return 1000 }, Poll: func(int64) error { return nil }}, nil); err != nil {
						b.Fatal(err)
					}
					p.Release(ticket)
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := p.Fast(context.Background(), read, nil, 1000, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
