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

// drawScript draws a script over few keys that uses all commands of both
// spaces; some fail on purpose, half-way.
func drawScript(t *rapid.T) string {
	keys := []string{"a", "a/", "a/b", "a/c", "a/b/c", "b", "a-b/c", "/x"}
	key := func() string { return "'" + rapid.SampledFrom(keys).Draw(t, "key") + "'" }
	e := func() string { return rapid.SampledFrom([]string{"", "e"}).Draw(t, "space") }
	rev := func() int { return rapid.IntRange(-1, 6).Draw(t, "rev") }
	value := func() string { return fmt.Sprintf("'v%d'", rapid.IntRange(0, 3).Draw(t, "value")) }
	var b strings.Builder
	var loops int
	for range rapid.IntRange(1, 6).Draw(t, "statements") {
		switch rapid.IntRange(0, 15).Draw(t, "statement") {
		case 0, 1, 2:
			fmt.Fprintf(&b, "%sset %s %s %s\n", e(), key(), value(), rapid.SampledFrom([]string{"", "", "nx", "xx", "norev", "ex 1h"}).Draw(t, "flag"))
		case 3:
			fmt.Fprintf(&b, "%sset %s %s cmp %s\n", e(), key(), value(), value())
		case 4:
			fmt.Fprintf(&b, "%sset %s %s cmprev %d\n", e(), key(), value(), rev())
		case 5, 6:
			fmt.Fprintf(&b, "%sdelete %s\n", e(), key())
		case 7:
			fmt.Fprintf(&b, "%sextend %s %d\n", e(), key(), rapid.SampledFrom([]int{0, 3600000}).Draw(t, "ttl"))
		case 8:
			fmt.Fprintf(&b, "%sget by bucket %s\n", e(), rapid.SampledFrom([]string{"a", "'a/'", "'a/b'", "b", "'/'", "'a-b'"}).Draw(t, "bucket"))
		case 9:
			fmt.Fprintf(&b, "%sscan by prefix %s\n", e(), rapid.SampledFrom([]string{"a", "'a/'", "'a/b'", "b", "'/'", "'a-'"}).Draw(t, "prefix"))
		case 10:
			fmt.Fprintf(&b, "%sget %s at %d\n", e(), key(), max(0, rev()))
		case 11:
			fmt.Fprintf(&b, "%sexists %s\n", e(), key())
		case 12:
			fmt.Fprintf(&b, "let v = %sget %s; %sset (concat('a/', v ?? 'c')) v ?? 'none'\n", e(), key(), e())
		case 13:
			loops++
			fmt.Fprintf(&b, "for i in 1..3 do %sset %s i end\n", e(), key())
		case 14:
			if rapid.IntRange(0, 3).Draw(t, "throw") == 0 {
				fmt.Fprintf(&b, "throw 'on purpose'\n")
			}
		case 15:
			fmt.Fprintf(&b, "return %sget %s\n", e(), key())
			return b.String()
		}
	}
	if b.Len() == 0 {
		return "get a"
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
				src := drawScript(t)
				want := answer(reference.Run(ctx, spec.Request{Source: src}))
				got := answer(runner{db}.Run(ctx, spec.Request{Source: src}))
				if got != want {
					t.Fatalf("script:\n%s\nstore: %s\nmodel: %s", src, got, want)
				}
			}
		}
	})
}
