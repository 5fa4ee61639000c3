package kahuna

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"kahuna/internal/model"
	"kahuna/script"
	"kahuna/spec"
)

var propertyKeys = []string{"a", "a/", "a/b", "a/c", "a/b/c", "b", "a-b/c", "/x"}

// chooser chooses one of n.
type chooser func(what string, n int) int

func (choose chooser) of(what string, from ...string) string { return from[choose(what, len(from))] }

// drawScript draws a script over few keys, all of which begin with prefix,
// that uses all commands of both spaces; some fail on purpose, half-way.
func drawScript(choose chooser, prefix string) string {
	key := func() string {
		return "'" + prefix + choose.of("key", propertyKeys...) + "'"
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
			fmt.Fprintf(&b, "%sset %s %s %s\n", e(), key(), value(), choose.of("flag", "", "", "nx", "xx", "norev", "norev", "ex 1h"))
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
		var e *script.Error
		if !errors.As(r.Err, &e) {
			return "no *script.Error: " + r.Err.Error()
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

// clocks are the times of one moment on the clocks of a store and of the model:
// after everything done before it, and before everything done later.
type clocks struct{ store, model int64 }

// mark lets both clocks move on and returns the moment between.
func mark(t *rapid.T, db *DB, reference *model.Runner) clocks {
	ctx := context.Background()
	now := func() int64 {
		r, err := db.Run(ctx, "return current_time()", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		ms, err := strconv.ParseInt(r.Text(), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	next := func() int64 {
		from := now()
		for {
			if to := now(); to > from {
				return to
			}
		}
	}
	_ = reference.Wait(ctx, 2*time.Millisecond)
	m := clocks{next(), reference.Now()}
	next()
	return m
}

// asOf reads one key as of a moment, from both, and reports how they differ.
func asOf(db *DB, reference *model.Runner, e, key string, at clocks) (got, want string) {
	ask := func(r spec.Runner, ms int64) string {
		res := r.Run(context.Background(), spec.Request{Source: fmt.Sprintf("%sget '%s' as of %d", e, key, ms)})
		var failed *script.Error
		if errors.As(res.Err, &failed) {
			return string(failed.Code) // the message has the time
		}
		return answer(res)
	}
	return ask(runner{db}, at.store), ask(reference, at.model)
}

// TestAgainstModel runs random scripts on a store and on the model, on both
// paths, with a crash or a clean reopen now and then; every answer must be the
// same, also about times gone by. After a reopen the ephemeral space of both is
// empty, and of its past the store remembers nothing.
func TestAgainstModel(t *testing.T) {
	told := map[string]int{}
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
		var marks []clocks
		lost := 0 // marks from before the last reopen
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 24).Draw(t, "step") {
			case 0:
				crashed := mem.CrashClone(vfs.CrashCloneCfg{})
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				mem = crashed
				db = start(mem)
				reference.Store.ClearEphemeral()
				lost = len(marks)
			case 1:
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				db = start(mem)
				reference.Store.ClearEphemeral()
				lost = len(marks)
			case 2, 3:
				marks = append(marks, mark(t, db, reference))
			default:
				src := drawScript(func(what string, n int) int { return rapid.IntRange(0, n-1).Draw(t, what) }, "")
				want := answer(reference.Run(ctx, spec.Request{Source: src}))
				got := answer(runner{db}.Run(ctx, spec.Request{Source: src}))
				if got != want {
					t.Fatalf("script:\n%s\nstore: %s\nmodel: %s", src, got, want)
				}
			}
		}
		for i, at := range marks {
			for _, e := range []string{"", "e"} {
				if e != "" && i < lost {
					continue
				}
				for _, key := range propertyKeys {
					got, want := asOf(db, reference, e, key, at)
					if got != want {
						t.Fatalf("%sget '%s' as of mark %d\nstore: %s\nmodel: %s\nhistory: %+v", e, key, i, got, want,
							reference.Store.History(script.Persistent, key))
					}
					word, _, _ := strings.Cut(got, " ")
					told[word]++
				}
			}
		}
	})
	if told["Get"] == 0 || told["DoesNotExist"] == 0 || told["history"] == 0 {
		t.Errorf("did too little: %v", told)
	}
}
