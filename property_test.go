package kahuna

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"kahuna/internal/model"
	"kahuna/spec"
)

// chooser chooses one of n.
type chooser func(what string, n int) int

func (choose chooser) of(what string, from ...string) string { return from[choose(what, len(from))] }

// drawScript draws a script over few keys, all of which begin with prefix,
// that uses all commands of both spaces; some fail on purpose, half-way.
func drawScript(choose chooser, prefix string) string {
	key := func() string {
		return "'" + prefix + choose.of("key", "a", "a/", "a/b", "a/c", "a/b/c", "b", "a-b/c", "/x") + "'"
	}
	e := func() string { return choose.of("space", "", "e") }
	rev := func() int { return choose("revision", 8) - 1 }
	small := func() string { return fmt.Sprintf("'v%d'", choose("value", 4)) }
	value := func() string {
		if choose("size", 12) == 0 {
			return fmt.Sprintf("repeat('%d', %d)", choose("digit", 10), 4000+2000*choose("length", 4))
		}
		return small()
	}
	var b strings.Builder
	for range 1 + choose("statements", 6) {
		switch choose("statement", 16) {
		case 0, 1, 2:
			fmt.Fprintf(&b, "%sset %s %s %s\n", e(), key(), value(), choose.of("flag", "", "", "nx", "xx", "norev", "ex 1h"))
		case 3:
			fmt.Fprintf(&b, "%sset %s %s cmp %s\n", e(), key(), value(), small())
		case 4:
			fmt.Fprintf(&b, "%sset %s %s cmprev %d\n", e(), key(), value(), rev())
		case 5, 6:
			fmt.Fprintf(&b, "%sdelete %s\n", e(), key())
		case 7:
			fmt.Fprintf(&b, "%sextend %s %s\n", e(), key(), choose.of("ttl", "0", "3600000"))
		case 8:
			fmt.Fprintf(&b, "%sget by bucket '%s%s'\n", e(), prefix, choose.of("bucket", "a", "a/", "a/b", "b", "/", "a-b"))
		case 9:
			fmt.Fprintf(&b, "%sscan by prefix '%s%s'\n", e(), prefix, choose.of("prefix", "a", "a/", "a/b", "b", "/", "a-"))
		case 10:
			fmt.Fprintf(&b, "%sget %s at %d\n", e(), key(), max(0, rev()))
		case 11:
			fmt.Fprintf(&b, "%sexists %s\n", e(), key())
		case 12:
			fmt.Fprintf(&b, "let v = %sget %s; %sset (concat('%sa/', substring(v ?? 'c', 0, 1))) v ?? 'none'\n", e(), key(), e(), prefix)
		case 13:
			fmt.Fprintf(&b, "for i in 1..3 do %sset %s i end\n", e(), key())
		case 14:
			if choose("throw", 4) == 0 {
				fmt.Fprintf(&b, "throw 'on purpose'\n")
			}
		case 15:
			fmt.Fprintf(&b, "return %sget %s\n", e(), key())
			return b.String()
		}
	}
	if b.Len() == 0 {
		return "get " + key()
	}
	return b.String()
}

// answer renders a response without times.
func answer(r spec.Response) string {
	if r.Err != nil {
		var e *Error
		if !errors.As(r.Err, &e) {
			return "no *Error: " + r.Err.Error()
		}
		return fmt.Sprintf("%s %s: %s", e.Code, e.Outcome, e.Reason())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Result.Type, r.Result.Op)
	for _, e := range r.Result.Entries {
		fmt.Fprintf(&b, " [%s %q %v r%d ttl=%v]", e.Key, e.Value, e.HasValue, e.Revision, e.Expires != 0)
	}
	return b.String()
}

// TestAgainstModel runs random scripts on a store and on the model, on both
// paths, with a crash or a clean reopen now and then; every answer must be the
// same. After a reopen the ephemeral space of both is empty.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		mem := vfs.NewCrashableMem()
		reference := model.NewRunner()
		start := func(fs vfs.FS) *DB {
			o := crashOptions(fs, false)
			o.forceSlow = rapid.Bool().Draw(t, "slow path")
			o.RowCacheBytes = rapid.SampledFrom([]int64{1, 64 << 20}).Draw(t, "cache")
			o.HistoryRevisions = -1
			db, err := open("db", o)
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
		db := start(mem)
		defer func() { _ = db.Close() }()
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 20).Draw(t, "step") {
			case 0:
				crashed := mem.CrashClone(vfs.CrashCloneCfg{})
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				mem = crashed
				db = start(mem)
				reference.Store.ClearEphemeral()
			case 1:
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				db = start(mem)
				reference.Store.ClearEphemeral()
			default:
				src := drawScript(func(what string, n int) int { return rapid.IntRange(0, n-1).Draw(t, what) }, "")
				want := answer(reference.Run(ctx, spec.Request{Source: src}))
				got := answer(runner{db}.Run(ctx, spec.Request{Source: src}))
				if got != want {
					t.Fatalf("script:\n%s\nstore: %s\nmodel: %s", src, got, want)
				}
			}
		}
	})
}
