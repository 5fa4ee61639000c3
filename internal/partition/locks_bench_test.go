package partition

import (
	"fmt"
	"testing"

	"kahuna/internal/kv"
)

// BenchmarkLocks measures what the lock table costs under the executor's
// mutex when many keys are locked, or many wait. The time of one key, or of one
// request, must not grow with their number.
func BenchmarkLocks(b *testing.B) {
	key := func(i int) string { return fmt.Sprintf("bucket%d/key%d", i%100, i) }
	for _, n := range []int{100, 10_000} {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = key(i)
		}
		per := func(name string, f func(l *lockTable)) {
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				for range b.N {
					l := newLockTable()
					f(&l)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/each")
			})
		}
		per("keys-of-one-request", func(l *lockTable) {
			var s LockSet
			for _, k := range keys {
				s.AddPoint(Point{kv.Persistent, k, true})
			}
			l.release(l.enqueue(&s))
		})
		per("writers-of-one-key", func(l *lockTable) {
			waiting := make([]*Ticket, n)
			for i := range waiting {
				waiting[i] = l.enqueue(writing("hot"))
			}
			for _, t := range waiting {
				l.release(t)
			}
		})
		per("readers-and-writers-of-one-key", func(l *lockTable) {
			waiting := make([]*Ticket, n)
			for i := range waiting {
				if i%2 == 0 {
					waiting[i] = l.enqueue(writing("hot"))
				} else {
					waiting[i] = l.enqueue(reading("hot"))
				}
			}
			for i := range waiting { // gives up in the middle of the line too
				l.release(waiting[(i*7919)%n])
			}
			for _, t := range waiting {
				l.release(t)
			}
		})
		per("readers-behind-a-writer", func(l *lockTable) {
			waiting := []*Ticket{l.enqueue(writing("hot"))}
			for range n {
				waiting = append(waiting, l.enqueue(reading("hot")))
			}
			waiting = append(waiting, l.enqueue(writing("hot")))
			for _, t := range waiting {
				l.release(t)
			}
		})
		per("requests-of-one-transaction", func(l *lockTable) {
			h := l.newHolder(0)
			for _, k := range keys {
				l.enqueueFor(h, writing(k), k)
			}
			l.releaseAll(h)
		})
		per("transactions-of-one-key", func(l *lockTable) {
			holders := make([]*holder, n)
			for i := range holders {
				holders[i] = l.newHolder(0)
				l.enqueueFor(holders[i], writing(keys[i]), "")
			}
			for _, h := range holders {
				l.enqueueFor(h, writing("hot"), "hot")
			}
			for _, h := range holders {
				l.releaseAll(h)
			}
		})
		per("bucket-readers-beside-locked-keys", func(l *lockTable) {
			t := l.enqueue(writing(keys...))
			for range n {
				if l.rangeLockedByOther(nil, Range{Space: kv.Persistent, Prefix: false, Text: "elsewhere"}) {
					b.Fatal("locked")
				}
			}
			l.release(t)
		})
		per("ranges-beside-locked-ranges", func(l *lockTable) {
			var all []*Ticket
			for i := range n {
				all = append(all, l.enqueue(&LockSet{Ranges: []Range{{Space: kv.Persistent, Prefix: i%2 == 0, Text: keys[i]}},
					Points: []Point{{kv.Persistent, keys[(i+1)%n], true}}}))
			}
			for _, t := range all {
				l.release(t)
			}
		})
	}
}
