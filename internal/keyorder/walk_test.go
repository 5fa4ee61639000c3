package keyorder_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kahuna/internal/keyorder"
	_ "kahuna/internal/seed" // fixed seeds
)

type fataler interface {
	Fatalf(format string, args ...any)
	Helper()
}

// walk returns the keys of a walk of r over src, at most limit of them if that
// is not 0.
func walk(t fataler, src *source, r keyorder.Range, desc bool, limit int) []string {
	t.Helper()
	rows := src.cursor()
	return drain(t, rows, keyorder.New(rows, src.cursor(), r, desc), limit)
}

func walkBucket(t fataler, src *source, bucket string, r keyorder.Range, desc bool) []string {
	t.Helper()
	rows := src.cursor()
	return drain(t, rows, keyorder.NewBucket(rows, bucket, r, desc), 0)
}

func drain(t fataler, rows *cursor, w *keyorder.Walk, limit int) (keys []string) {
	t.Helper()
	for limit == 0 || len(keys) < limit {
		key, ok, err := w.Next()
		if err != nil {
			t.Fatalf("%v", err)
		}
		if !ok {
			if _, again, err := w.Next(); again || err != nil {
				t.Fatalf("behind the end: %v, %v", again, err)
			}
			break
		}
		if row := string(rows.Key()); row != string(key) {
			t.Fatalf("the key %q with the row of %q", key, row)
		}
		keys = append(keys, string(key))
	}
	return keys
}

// want is what a walk must deliver.
func want(keys []string, r keyorder.Range, desc bool) (in []string) {
	for _, k := range keys {
		if k >= r.Start && (r.End == "" || k < r.End) {
			in = append(in, k)
		}
	}
	slices.Sort(in)
	if desc {
		slices.Reverse(in)
	}
	return in
}

func TestWalk(t *testing.T) {
	// In store order.
	keys := []string{"/", "/x", "//y", "a", "a/", "a/b", "a/b-", "a/z", "a-", "a-c", "a-/x", "a-c/x", "a/b/", "a/b/c", "a/b-c/d", "a/b/c/d", "a0", "ä/ö"}
	src := newSource(t, keys)
	for _, c := range []struct {
		r    keyorder.Range
		want string
	}{
		{keyorder.Range{}, "/ //y /x a a- a-/x a-c a-c/x a/ a/b a/b- a/b-c/d a/b/ a/b/c a/b/c/d a/z a0 ä/ö"},
		{keyorder.Prefix("a/"), "a/ a/b a/b- a/b-c/d a/b/ a/b/c a/b/c/d a/z"},
		{keyorder.Prefix("a/b"), "a/b a/b- a/b-c/d a/b/ a/b/c a/b/c/d"},
		{keyorder.Prefix("a/b/"), "a/b/ a/b/c a/b/c/d"},
		{keyorder.Prefix("a-"), "a- a-/x a-c a-c/x"},
		{keyorder.Prefix("/"), "/ //y /x"},
		{keyorder.Prefix("\xc3"), "ä/ö"},
		{keyorder.Prefix("b"), ""},
		{keyorder.Range{Start: "a-c", End: "a/b/c"}, "a-c a-c/x a/ a/b a/b- a/b-c/d a/b/"},
		{keyorder.Range{Start: "a/b-c", End: "a0"}, "a/b-c/d a/b/ a/b/c a/b/c/d a/z"},
		{keyorder.Range{Start: "b", End: "a"}, ""},
	} {
		if got := strings.Join(walk(t, src, c.r, false, 0), " "); got != c.want {
			t.Errorf("%q: %q, want %q", c.r, got, c.want)
		}
		back := walk(t, src, c.r, true, 0)
		slices.Reverse(back)
		if got := strings.Join(back, " "); got != c.want {
			t.Errorf("%q, descending: %q, want %q reversed", c.r, got, c.want)
		}
	}
}

func TestPrefix(t *testing.T) {
	for _, c := range []struct{ prefix, start, end string }{
		{"", "", ""},
		{"a", "a", "b"},
		{"a/", "a/", "a0"},
		{"a\xff\xff", "a\xff\xff", "b"},
		{"\xff", "\xff", ""},
		{"\xff\xff", "\xff\xff", ""},
		{"a\xfe", "a\xfe", "a\xff"},
	} {
		if got, want := keyorder.Prefix(c.prefix), (keyorder.Range{Start: c.start, End: c.end}); got != want {
			t.Errorf("Prefix(%q) = %q, want %q", c.prefix, got, want)
		}
	}
}

var (
	pieces = rapid.StringOfN(rapid.SampledFrom([]rune("//--.0aaé\x01\x7f\U0010ffff")), 0, 7, -1)
	keySet = rapid.SliceOfNDistinct(pieces.Filter(func(k string) bool { return k != "" }), 0, 40, rapid.ID[string])
)

// drawBound draws a key, or text around one, or any bytes.
func drawBound(t *rapid.T, keys []string, label string) string {
	switch k := rapid.IntRange(0, 5).Draw(t, label); {
	case k == 0:
		return ""
	case k == 1:
		return string(rapid.SliceOfN(rapid.SampledFrom([]byte("\x00/-0a\xff\xc3")), 0, 5).Draw(t, label+" bytes"))
	case k == 2 || len(keys) == 0:
		return pieces.Draw(t, label+" text")
	default:
		key := rapid.SampledFrom(keys).Draw(t, label+" key")
		switch k {
		case 3:
			return key[:rapid.IntRange(0, len(key)).Draw(t, label+" cut")]
		case 4:
			return key + rapid.SampledFrom([]string{"/", "-", "0", "\x00"}).Draw(t, label+" more")
		}
		return key
	}
}

func drawRange(t *rapid.T, keys []string) keyorder.Range {
	if rapid.Bool().Draw(t, "prefix") {
		return keyorder.Prefix(drawBound(t, keys, "prefix"))
	}
	return keyorder.Range{Start: drawBound(t, keys, "start"), End: drawBound(t, keys, "end")}
}

// A walk delivers what sorting delivers, and a walk that goes on behind any
// of its keys the rest.
func TestWalkProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keys := keySet.Draw(rt, "keys")
		check(t, rt, keys, drawRange(rt, keys), drawBound(rt, keys, "after"), rapid.Bool().Draw(rt, "desc"))
	})
}

func check(tb testing.TB, t fataler, keys []string, r keyorder.Range, after string, desc bool) {
	t.Helper()
	src := newSource(tb, keys)
	all := walk(t, src, r, desc, 0)
	if w := want(keys, r, desc); !slices.Equal(all, w) {
		t.Fatalf("keys %q\nrange %q desc %v\nwalk %q\nwant %q", src.keys, r, desc, all, w)
	}
	for i, k := range all {
		if rest := walk(t, src, r.After(k, desc), desc, 0); !slices.Equal(rest, all[i+1:]) {
			t.Fatalf("keys %q\nrange %q desc %v after %q\nwalk %q\nwant %q", src.keys, r, desc, k, rest, all[i+1:])
		}
	}
	rest := walk(t, src, r.After(after, desc), desc, 0)
	w := slices.DeleteFunc(slices.Clone(all), func(k string) bool { return k == after || (k < after) != desc })
	if !slices.Equal(rest, w) {
		t.Fatalf("keys %q\nrange %q desc %v after %q\nwalk %q\nwant %q", src.keys, r, desc, after, rest, w)
	}
	checkBuckets(t, src, r, all)
}

// checkBuckets looks whether the rows that Range.Buckets allows a source to
// show are enough.
func checkBuckets(t fataler, src *source, r keyorder.Range, all []string) {
	t.Helper()
	low, high := r.Buckets()
	for _, k := range all {
		if b, _, _ := split(k); b < low || high != "" && b >= high {
			t.Fatalf("range %q has %q, not in the buckets from %q to %q", r, k, low, high)
		}
	}
}

func TestBucketProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keys := keySet.Draw(rt, "keys")
		bucket := drawBound(rt, keys, "bucket")
		if len(keys) > 0 && rapid.Bool().Draw(rt, "of a key") {
			bucket, _, _ = split(rapid.SampledFrom(keys).Draw(rt, "key"))
		}
		r, desc := drawRange(rt, keys), rapid.Bool().Draw(rt, "desc")
		src := newSource(t, keys)
		got := walkBucket(rt, src, bucket, r, desc)
		w := slices.DeleteFunc(want(keys, r, desc), func(k string) bool {
			b, slash, _ := split(k)
			return !slash || b != bucket
		})
		if !slices.Equal(got, w) {
			rt.Fatalf("keys %q\nbucket %q range %q desc %v\nwalk %q\nwant %q", src.keys, bucket, r, desc, got, w)
		}
		if src.seeks > 1 || src.steps > len(w) {
			rt.Fatalf("%d keys cost %d seeks and %d steps", len(w), src.seeks, src.steps)
		}
	})
}

// What fails at any move fails the walk, which delivers only keys that it would
// have delivered.
func TestWalkErrors(t *testing.T) {
	keys := []string{"a", "a-", "a-/x", "a/b", "a/b-c/d", "a/b/c", "a/b/c/d", "a/z", "b-1-x", "b-1-y", "b/c"}
	broken := errors.New("broken")
	for _, desc := range []bool{false, true} {
		for _, r := range []keyorder.Range{{}, keyorder.Prefix("a/"), {Start: "a-", End: "b-1-y"}} {
			all := want(keys, r, desc)
			failed := 0
			for n, done := 0, false; !done; n++ {
				src := newSource(t, keys)
				left := n
				src.fail = func() error {
					if left--; left < 0 {
						return broken
					}
					return nil
				}
				w := keyorder.New(src.cursor(), src.cursor(), r, desc)
				var got []string
				var err error
				for ok := true; ok; {
					var key []byte
					if key, ok, err = w.Next(); ok {
						got = append(got, string(key))
					}
				}
				if !slices.Equal(got, all[:len(got)]) {
					t.Fatalf("move %d fails: %q, want the beginning of %q", n, got, all)
				}
				if done = left >= 0; done {
					if err != nil || len(got) != len(all) {
						t.Fatalf("nothing failed: %q, %v", got, err)
					}
					continue
				}
				failed++
				if _, ok, again := w.Next(); err != broken || ok || again != broken {
					t.Fatalf("move %d fails: %v, then %v, %v", n, err, ok, again)
				}
			}
			if failed < len(all) {
				t.Fatalf("only %d moves failed", failed)
			}
		}
	}
}

// A source that changes is noticed where a row is not found again.
func TestWalkOfChangingRows(t *testing.T) {
	src := newSource(t, []string{"a/b", "a/c", "a/b/x"})
	w := keyorder.New(src.cursor(), src.cursor(), keyorder.Range{}, false)
	for _, want := range []string{"a/b", "a/b/x"} {
		if key, ok, err := w.Next(); string(key) != want || !ok || err != nil {
			t.Fatalf("%q %v %v, want %q", key, ok, err, want)
		}
	}
	src.keys[1] = "a/d" // it was a/c, and comes next
	if key, ok, err := w.Next(); err != keyorder.ErrChanged {
		t.Fatalf("%q %v %v", key, ok, err)
	}
}

// After the first keys a walk allocates nothing.
func TestWalkAllocates(t *testing.T) {
	var keys []string
	for i := range 300 {
		keys = append(keys, fmt.Sprintf("a/%03d", i), fmt.Sprintf("a/%03d/x", i), fmt.Sprintf("b-%03d-x", i))
	}
	for _, desc := range []bool{false, true} {
		rows := newQuietRows(keys)
		w := keyorder.New(rows.cursor(), rows.cursor(), keyorder.Range{}, desc)
		for range 10 {
			_, _, _ = w.Next()
		}
		if n := testing.AllocsPerRun(800, func() {
			if _, ok, err := w.Next(); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}); n > 0 {
			t.Errorf("desc %v: %v allocations per key", desc, n)
		}
	}
}
