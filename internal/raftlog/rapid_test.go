package raftlog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	_ "kahuna/internal/seed" // fixed seeds
)

// TestAgainstMap drives a log and a map through the same operations, with
// orderly and disorderly ends.
func TestAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := vfs.NewCrashableMem()
		opts := testOptions(Options{
			SegmentBytes: int64(rapid.SampledFrom([]int{4 << 10, 8 << 10, 64 << 10}).Draw(t, "segment")),
			CacheBytes:   int64(rapid.SampledFrom([]int{1, 4 << 10, 1 << 20}).Draw(t, "cache")),
		})
		open := func() *Log {
			opts.FS = disk
			l, err := Open(opts)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		l := open()
		groups := map[uint64]*modelGroup{1: {}, 2: {}, 3: {}}
		serial := 0
		write := func(t *rapid.T, w Write) {
			if err := appendWait(l, w); err != nil {
				t.Fatal(err)
			}
			groups[w.Group].apply(&modelWrite{Write: w})
		}
		id := func(t *rapid.T) uint64 { return rapid.Uint64Range(1, 3).Draw(t, "group") }
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				w := Write{Group: id(t)}
				g := groups[w.Group]
				first := g.last + 1
				if rapid.IntRange(0, 3).Draw(t, "conflict") == 0 {
					// Also below the mark: what is compacted is skipped.
					first = rapid.Uint64Range(max(1, g.mark/2), g.last+1).Draw(t, "first")
				}
				serial++
				data := fmt.Sprint(serial, strings.Repeat("x", rapid.IntRange(0, 1500).Draw(t, "size")))
				w.Entries = entries(first, uint64(serial), rapid.IntRange(1, 6).Draw(t, "count"), data)
				if rapid.Bool().Draw(t, "state") {
					w.HardState = hard(uint64(serial), 1, g.hs.commit)
				}
				write(t, w)
			},
			"state": func(t *rapid.T) {
				serial++
				write(t, Write{Group: id(t), HardState: hard(uint64(serial), 2, 0)})
			},
			"commit": func(t *rapid.T) {
				w := Write{Group: id(t), MustSync: rapid.Bool().Draw(t, "sync")}
				g := groups[w.Group]
				w.HardState = hard(g.hs.term, g.hs.vote, g.hs.commit+1)
				write(t, w)
			},
			"compact": func(t *rapid.T) {
				n := id(t)
				g := groups[n]
				index := rapid.Uint64Range(0, g.last).Draw(t, "index")
				if err := l.Group(n).Compact(index); err != nil {
					t.Fatal(err)
				}
				g.mark = max(g.mark, index)
			},
			"reset": func(t *rapid.T) {
				w := Write{Group: id(t)}
				serial++
				w.Reset = Mark{groups[w.Group].last + 1 + rapid.Uint64Range(0, 9).Draw(t, "ahead"), uint64(serial)}
				if rapid.Bool().Draw(t, "more") {
					w.Entries = entries(w.Reset.Index+1, uint64(serial), 2, "behind")
				}
				write(t, w)
			},
			"drop": func(t *rapid.T) {
				write(t, Write{Group: id(t), Drop: true})
			},
			"close": func(t *rapid.T) {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				disk = crash(disk)
				l = open()
				for n, g := range groups { // an orderly end keeps everything
					if first, _ := l.Group(n).FirstIndex(); first != g.mark+1 {
						t.Fatalf("group %d begins at %d, want %d", n, first, g.mark+1)
					}
					if hs, _, _ := l.Group(n).InitialState(); hardStateOf(hs) != g.hs {
						t.Fatalf("group %d: %v, want %v", n, hs, g.hs)
					}
				}
			},
			"kill": func(t *rapid.T) {
				image := crash(disk)
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				disk = image
				l = open()
				for n, g := range groups {
					if err := checkGroup(l.Group(n), g); err != nil {
						t.Fatal(err)
					}
					// What a crash may take back, it did or did not.
					hs, _, _ := l.Group(n).InitialState()
					g.hs.commit = hs.GetCommit()
					first, _ := l.Group(n).FirstIndex()
					g.mark = first - 1
				}
			},
			"read": func(t *rapid.T) {
				n := id(t)
				g := groups[n]
				if g.mark == g.last {
					return
				}
				lo := rapid.Uint64Range(g.mark+1, g.last).Draw(t, "lo")
				hi := rapid.Uint64Range(lo, g.last+1).Draw(t, "hi")
				limit := rapid.Uint64Range(0, 6000).Draw(t, "limit")
				got, err := l.Group(n).Entries(lo, hi, limit)
				if err != nil {
					t.Fatal(err)
				}
				var want []*raftpb.Entry
				size := uint64(0)
				for i := lo; i < hi; i++ {
					if size += uint64(proto.Size(g.entries[i])); i > lo && size > limit {
						break
					}
					want = append(want, g.entries[i])
				}
				if len(got) != len(want) {
					t.Fatalf("%d entries of [%d,%d) within %d, want %d", len(got), lo, hi, limit, len(want))
				}
				for i := range got {
					if !sameEntry(got[i], want[i]) {
						t.Fatalf("got %v, want %v", got[i], want[i])
					}
				}
			},
			"": func(t *rapid.T) {
				for n, g := range groups {
					if err := checkGroup(l.Group(n), g); err != nil {
						t.Fatalf("group %d: %v", n, err)
					}
					if first, _ := l.Group(n).FirstIndex(); first != g.mark+1 {
						t.Fatalf("group %d begins at %d, want %d", n, first, g.mark+1)
					}
				}
			},
		})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
