package partition

import (
	"fmt"
	"testing"

	"kahuna/internal/kv"
	"kahuna/script"
)

// TestEvictedBeforePublished: a transaction whose writes do not all fit in the
// cache does not publish to a cell that is gone.
func TestEvictedBeforePublished(t *testing.T) {
	t.Parallel()
	const keys = 6
	p := onStore(t, 3*(cellOverhead+20))
	key := func(i int) string { return fmt.Sprintf("k/%d", i) }
	increment := workFunc(func(tx *Tx) error {
		for i := range keys {
			row, err := tx.Get(kv.Persistent, key(i))
			if err != nil {
				return err
			}
			if _, err := tx.Set(kv.Persistent, key(i), row.Value+"x", &script.SetOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
	check := func(want string) workFunc {
		return func(tx *Tx) error {
			for i := range keys {
				row, err := tx.Get(kv.Persistent, key(i))
				if err == nil && row.Value != want {
					err = fmt.Errorf("%s is %q, want %q", key(i), row.Value, want)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	for _, want := range []string{"x", "xx", "xxx"} {
		p.run(increment)
		p.run(check(want)) // what is ordered
		p.commit(true)
		p.run(check(want)) // what the store shows
	}
	if n := p.Stats().CacheRows; n > 3 {
		t.Errorf("%d rows are cached", n)
	}
}

// TestBatchMemory: a batch in the memory of an earlier one shows nothing of it,
// and the memory keeps nothing alive.
func TestBatchMemory(t *testing.T) {
	t.Parallel()
	p := onStore(t, 1<<20)
	for n := 10; n > 0; n-- {
		for i := range n {
			p.run(benchSet{script.Persistent, fmt.Sprint(i)})
		}
		batch := p.Take()
		ops := batch.Ops
		if len(ops) != n {
			t.Fatalf("%d effects, want %d", len(ops), n)
		}
		p.Committed(batch.Term)
		p.index++
		if err := p.st.Apply(1, p.index, &kv.Batch{Time: batch.Time, Ops: ops}); err != nil {
			t.Fatal(err)
		}
		p.Applied([]*Batch{batch})
		if p.Next() != nil {
			t.Fatal("there is another batch")
		}
		for i := range ops {
			if ops[i] != (kv.Op{}) {
				t.Fatalf("an effect is left: %+v", ops[i])
			}
		}
	}
}
