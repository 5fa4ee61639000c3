package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	"kahuna/internal/store"
)

func TestAsOf(t *testing.T) {
	at := func(ms int64) hlc.Timestamp { return hlc.At(ms) }
	row := func(value string, revision, prev, ms int64) kv.Row {
		return kv.Row{Value: value, Revision: revision, Prev: prev, Modified: at(ms)}
	}
	expiring := row("b", 1, 0, 20)
	expiring.Expires = 25
	tombstone := row("", 2, 1, 30)
	tombstone.Deleted = true
	whole := []kv.Row{row("d", 3, 2, 40), tombstone, expiring, row("a", 0, -1, 10)}
	gap := []kv.Row{row("d", 3, 2, 40), row("b", 1, 0, 20)} // 2 and 0 not kept
	after := func(r kv.Row, since, prev int64) kv.Row {
		r.Gap = kv.Gap{Since: at(since), Prev: prev}
		return r
	}
	// 2 and 3 were norev, committed at 30 and 35.
	norev := []kv.Row{after(row("d", 4, 3, 40), 30, 1), row("b", 1, 0, 20), row("a", 0, -1, 10)}
	// 0 and 1 were norev, and before them there was nothing.
	first := []kv.Row{row("d", 3, 2, 40), after(row("c", 2, 1, 30), 10, -1)}
	// 2 was norev, 1 was pruned.
	pruned := []kv.Row{after(row("d", 3, 2, 40), 30, 1)}
	for _, c := range []struct {
		versions []kv.Row // newest first
		ms       int64
		horizon  int64
		want     string
	}{
		{whole, 50, 0, "d"},
		{whole, 40, 0, "d"},
		{whole, 39, 0, "absent"}, // deleted
		{whole, 29, 0, "absent"}, // expired
		{whole, 25, 0, "absent"},
		{whole, 24, 0, "b"},
		{whole, 19, 0, "a"},
		{whole, 9, 0, "absent"},
		{whole, 9, 9, "absent"},
		{whole, 9, 10, "gone"}, // there may have been an earlier life
		{whole, 12, 99, "a"},
		{gap, 45, 0, "d"},
		{gap, 39, 0, "gone"},
		{gap, 20, 0, "gone"}, // when 2 superseded 1 is not known
		{gap, 19, 0, "gone"},
		{norev, 40, 0, "d"},
		{norev, 39, 0, "gone"},
		{norev, 30, 0, "gone"},
		{norev, 29, 0, "b"}, // it is kept, whatever came behind it
		{norev, 20, 0, "b"},
		{norev, 19, 0, "a"},
		{norev, 9, 0, "absent"},
		{norev, 29, 99, "b"},
		{first, 35, 0, "c"},
		{first, 29, 0, "gone"},
		{first, 10, 0, "gone"},
		{first, 9, 0, "absent"},
		{first, 9, 10, "gone"},
		{pruned, 30, 0, "gone"},
		{pruned, 29, 0, "gone"},
		{nil, 5, 5, "absent"},
		{nil, 4, 5, "gone"},
	} {
		got, err := asOf(func(visit func(kv.Row) bool) error {
			for _, r := range c.versions {
				if !visit(r) {
					break
				}
			}
			return nil
		}, at(c.ms), at(c.horizon))
		if err != nil || got != c.want {
			t.Errorf("%d versions at %d, horizon %d: %s %v, want %s", len(c.versions), c.ms, c.horizon, got, err, c.want)
		}
	}
	broken := errors.New("broken")
	if _, err := asOf(func(func(kv.Row) bool) error { return broken }, 1, 0); err != broken {
		t.Fatal(err)
	}
}

func asOf(versions func(func(kv.Row) bool) error, ts, horizon hlc.Timestamp) (string, error) {
	row, found, err := store.AsOf(versions, ts, horizon)
	switch {
	case errors.Is(err, store.ErrHistoryGone):
		return "gone", nil
	case err != nil:
		return "", err
	case found:
		return row.Value, nil
	}
	return "absent", nil
}

// Whatever was pruned, purged, touched or not kept: a version that is kept is
// the answer for every time at which it was visible, and of one that is not
// kept the answer is "gone".
func TestAsOfProperty(t *testing.T) {
	right, gone, beforeGap := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		keep := rapid.SampledFrom([]int64{-1, 1, 3, 6}).Draw(rt, "keep")
		s := openMem(t, vfs.NewMem(), keep)
		defer s.Close()
		m := newModel(-1) // forgets nothing but what a put replaces
		m.keep = keep
		var lives []life
		for range rapid.IntRange(1, 12).Draw(rt, "batches") {
			b := withoutInnerTouches(genBareBatch(rt, m.clone()))
			m.apply(m.index+1, b)
			apply(rt, s, b.Time, b.Ops...)
			lives = append(lives, life{b.Time, map[string]kv.Row{}})
			for _, k := range m.sorted() {
				lives[len(lives)-1].rows[k], _ = m.newest(k)
			}
		}
		for range 200 {
			i := rapid.IntRange(0, len(lives)-1).Draw(rt, "when")
			key := rapid.SampledFrom(someKeys).Draw(rt, "key")
			ts := lives[i].at
			if i+1 < len(lives) && rapid.Bool().Draw(rt, "last moment") {
				ts = lives[i+1].at - 1
			}
			want, visible, kept := "absent", false, false
			// A later touch changes the expiry of the version visible then.
			if r, ok := lives[i].rows[key]; ok {
				visible = true
				for j, v := range m.keys[key] {
					if v.Revision != r.Revision || v.Modified != r.Modified {
						continue
					}
					kept = true
					if j+1 < len(m.keys[key]) && m.keys[key][j+1].Gap.Since != 0 {
						beforeGap++
					}
				}
				for _, l := range lives[i:] {
					if later, ok := l.rows[key]; ok && later.Revision == r.Revision && later.Modified == r.Modified {
						r = later
					} else {
						break
					}
				}
				if r.Live(ts.Millis()) {
					want = r.Value
				}
			}
			got, err := asOf(func(visit func(kv.Row) bool) error { return s.Versions(key, visit) }, ts, s.Horizon())
			if err != nil {
				rt.Fatalf("%v", err)
			}
			switch {
			case got == "gone" && !kept:
				// A key without a version then may have had an earlier life.
				gone++
			case got != want, visible && !kept && want != "absent":
				rt.Fatalf("%q as of %d: %.60s, want %.60s, kept %v\n%s", key, ts, got, want, kept, m.text())
			default:
				right++
			}
		}
	})
	if right < 100 || gone < 10 || beforeGap < 5 {
		t.Fatalf("did too little: %d answers, %d gone, %d before a gap", right, gone, beforeGap)
	}
}

// withoutInnerTouches drops the touches that a later operation of the batch
// covers: what they changed is in the history, but was never visible.
func withoutInnerTouches(b *kv.Batch) *kv.Batch {
	var ops []kv.Op
	for i, op := range b.Ops {
		op.Old = nil // may tell of a touch that is no more
		covered := func(later kv.Op) bool { return later.Key == op.Key }
		if op.Kind != kv.Touch || !slices.ContainsFunc(b.Ops[i+1:], covered) {
			ops = append(ops, op)
		}
	}
	return &kv.Batch{Time: b.Time, Ops: ops}
}

// life is what was visible after a batch.
type life struct {
	at   hlc.Timestamp
	rows map[string]kv.Row
}

func ExampleAsOf() {
	versions := func(visit func(kv.Row) bool) error {
		_ = visit(kv.Row{Value: "new", Revision: 1, Prev: 0, Modified: hlc.At(2000)}) &&
			visit(kv.Row{Value: "old", Revision: 0, Prev: -1, Modified: hlc.At(1000)})
		return nil
	}
	row, found, err := store.AsOf(versions, hlc.Last(1500), 0)
	fmt.Println(row.Value, found, err)
	// Output: old true <nil>
}
