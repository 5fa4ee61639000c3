package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/internal/kv"
	"kahuna/script"
)

// TestEntryNotApplied: an entry of the log that cannot be applied stops the
// store, and Open fails with what to do about it, every time.
func TestEntryNotApplied(t *testing.T) {
	for what, entry := range map[string][]byte{
		"not decoded": []byte("\xff\xff\xff"),
		"refused":     (&kv.Batch{Ops: []kv.Op{{Kind: kv.Put, Key: "k", Old: &kv.Row{Revision: 4}, Row: kv.Row{Revision: 5}}}}).Encode(),
	} {
		o := Options{FS: vfs.NewMem(), Dir: "db", SegmentBytes: 64 << 10}
		n, err := Open(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		// Who leads has applied all there is.
		index, _, err := n.store.Applied(groupID)
		if err != nil {
			t.Fatal(err)
		}
		index++
		n.group.mu.Lock()
		err = n.group.replica.Propose(n.group.leading, entry)
		n.group.drain()
		n.group.unlock()
		if err != nil {
			t.Fatal(err)
		}
		<-n.Failed()
		if at, _, err := n.store.Applied(groupID); err != nil || at != index-1 {
			t.Errorf("%s: applied %d, %v, want all before %d", what, at, err, index)
		}
		check := func(when string, err error, hint string) {
			t.Helper()
			var e *script.Error
			want := fmt.Sprintf("entry %d of the log cannot be applied: ", index)
			if !errors.As(err, &e) || e.Code != script.CodeCorrupt || !strings.Contains(e.Message, want) ||
				!strings.Contains(e.Hint, hint) || !strings.Contains(e.Hint, "restore it from a backup") || strings.Contains(e.Hint, "free") {
				t.Errorf("%s, %s: %v", what, when, err)
			}
		}
		check("while it runs", n.Err(), "reads go on")
		_ = n.Close()
		for range 2 {
			// Here others come with it, and are applied together.
			n, err := Open(context.Background(), o)
			if err == nil {
				_ = n.Close()
			}
			check("when opened again", err, "db")
		}
	}
}
