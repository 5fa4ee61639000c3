package kahuna

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// adversarial are keys whose byte order is not that of the store.
var adversarial = []string{
	"a", "a/", "a-", "a-c", "a-c/x", "a/b", "a/b-", "a/b-c/d", "a/b/", "a/b/c", "a/b/c/d", "a/z", "a0", "a//", "a//x",
	"/", "//", "/x", "//y", "b", "b/1", "b/10", "b/2", "ä/ö", "\x01", "z/\U0010ffff",
}

// rangeOf is one read of TestRanges: what it is and the keys it is of.
type rangeOf struct {
	name   string
	read   func(s Space, o *RangeOptions) iter.Seq2[Entry, error]
	covers func(key string) bool
}

func rangesOf(ctx context.Context, rng *rand.Rand) (all []rangeOf) {
	text := func() string {
		key := adversarial[rng.IntN(len(adversarial))]
		if cut := key[:rng.IntN(len(key)+1)]; strings.ToValidUTF8(cut, "") == cut {
			return cut
		}
		return key
	}
	prefix, start, end := text(), text(), text()
	bucket := adversarial[rng.IntN(len(adversarial))]
	b := strings.TrimSuffix(bucket, "/") + "/"
	return []rangeOf{
		{"bucket " + bucket, func(s Space, o *RangeOptions) iter.Seq2[Entry, error] { return s.Bucket(ctx, bucket, o) },
			func(key string) bool { return strings.HasPrefix(key, b) && !strings.Contains(key[len(b):], "/") }},
		{"prefix " + prefix, func(s Space, o *RangeOptions) iter.Seq2[Entry, error] { return s.Prefix(ctx, prefix, o) },
			func(key string) bool { return strings.HasPrefix(key, prefix) }},
		{"range " + start + " " + end, func(s Space, o *RangeOptions) iter.Seq2[Entry, error] { return s.Range(ctx, start, end, o) },
			func(key string) bool { return key >= start && (end == "" || key < end) }},
	}
}

// TestRanges: iterators give what sorting gives, in both spaces, current and as
// of, outside of transactions and inside, with their own writes.
func TestRanges(t *testing.T) {
	ctx := context.Background()
	for _, slow := range []bool{false, true} {
		db := openTest(t, t.TempDir(), &Options{forceSlow: slow, RowCacheBytes: 4096})
		// The clock of the store may be ahead of ours. It is asked by a write into
		// the space that is not read.
		clock := func(other Space) time.Time {
			w, err := other.Set(ctx, "clock", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			return w.Time
		}
		for seed := range uint64(12) {
			rng := rand.New(rand.NewPCG(seed, 21))
			s, other := Space(db), db.Ephemeral()
			if seed%2 == 0 {
				s, other = other, s
			}
			for _, key := range append(adversarial, "clock") {
				if _, err := s.Delete(ctx, key); err != nil {
					t.Fatal(err)
				}
			}
			now := map[string]string{}
			write := func(s Space, n int) {
				for range n {
					key, value := adversarial[rng.IntN(len(adversarial))], fmt.Sprint(rng.IntN(100))
					var err error
					if rng.IntN(3) == 0 {
						delete(now, key)
						_, err = s.Delete(ctx, key)
					} else {
						now[key] = value
						_, err = s.Set(ctx, key, value, nil)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			check := func(where string, s Space, rows map[string]string, asOf time.Time) {
				t.Helper()
				for range 20 {
					for _, r := range rangesOf(ctx, rng) {
						o := &RangeOptions{Desc: rng.IntN(2) == 0, Limit: rng.IntN(8), AsOf: asOf}
						if rng.IntN(2) == 0 {
							o.After = adversarial[rng.IntN(len(adversarial))]
						}
						checkRange(t, where, s, r, o, rows)
					}
				}
			}
			write(s, 40)
			check("store", s, now, time.Time{})
			past := clone(now)
			then := clock(other)
			for !clock(other).After(then) {
				time.Sleep(time.Millisecond)
			}
			write(s, 20)
			check("as of", s, past, then)
			check("as of a time to come", s, now, time.Now().Add(time.Hour))
			for _, optimistic := range []bool{false, true} {
				tx, err := db.Begin(ctx, &TxOptions{Optimistic: optimistic})
				if err != nil {
					t.Fatal(err)
				}
				committed := clone(now)
				in := Space(tx)
				if seed%2 == 0 {
					in = tx.Ephemeral()
				}
				write(in, 20)
				check("transaction", in, now, time.Time{})
				tx.Rollback()
				now = committed
				check("store after it", s, now, time.Time{})
			}
		}
	}
}

func clone(m map[string]string) map[string]string {
	c := map[string]string{}
	for k, v := range m {
		c[k] = v
	}
	return c
}

func checkRange(t *testing.T, where string, s Space, r rangeOf, o *RangeOptions, rows map[string]string) {
	t.Helper()
	var want, got []string
	for key, value := range rows {
		if r.covers(key) && (o.After == "" || o.Desc && key < o.After || !o.Desc && key > o.After) {
			want = append(want, key+"="+value)
		}
	}
	key := func(row string) string { return row[:strings.IndexByte(row, '=')] }
	slices.SortFunc(want, func(a, b string) int { return strings.Compare(key(a), key(b)) })
	if o.Desc {
		slices.Reverse(want)
	}
	if o.Limit > 0 && len(want) > o.Limit {
		want = want[:o.Limit]
	}
	for e, err := range r.read(s, o) {
		if err != nil {
			t.Fatalf("%s: %s %+v: %v", where, r.name, o, err)
		}
		got = append(got, e.Key+"="+e.Value)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %s %+v:\n%q, want\n%q", where, r.name, o, got, want)
	}
}

// TestRangePages: a read of many pages is whole, and in order; with AsOf, and in
// a transaction, it is of one moment, whoever writes beside it.
func TestRangePages(t *testing.T) {
	ctx := context.Background()
	db := openTest(t, t.TempDir(), &Options{RowCacheBytes: 1 << 16})
	const n = 1500
	fill := func(value int) {
		if _, err := db.Run(ctx, "for i in 1..@n do set (concat('p/', i)) @v eset (concat('p/', i)) @v end",
			Params{"n": n, "v": value}, nil); err != nil {
			t.Fatal(err)
		}
	}
	fill(0)
	large := strings.Repeat("x", 300_000)
	for i := range 12 {
		if _, err := db.Set(ctx, fmt.Sprint("large/", i), large, nil); err != nil {
			t.Fatal(err)
		}
	}
	if rows, err := Collect(db.Prefix(ctx, "large/", nil)); err != nil || len(rows) != 12 {
		t.Fatal(len(rows), err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for value := 1; ; value++ {
			select {
			case <-stop:
				return
			default:
				fill(value)
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	moment := func(name string, rows iter.Seq2[Entry, error]) error {
		keys, value := 0, ""
		last := ""
		for e, err := range rows {
			if err != nil {
				return err
			}
			if keys++; e.Key <= last {
				t.Errorf("%s: %s after %s", name, e.Key, last)
			}
			if keys > 1 && e.Value != value {
				t.Errorf("%s: %s is %s beside %s: two moments", name, e.Key, e.Value, value)
				break
			}
			last, value = e.Key, e.Value
		}
		if keys != n {
			t.Errorf("%s: %d rows, want %d", name, keys, n)
		}
		return nil
	}
	for range 5 {
		if err := moment("as of", db.Bucket(ctx, "p", &RangeOptions{AsOf: time.Now()})); err != nil {
			t.Error(err)
		}
		if err := db.View(ctx, func(tx Tx) error { return moment("view", tx.Prefix(ctx, "p/", nil)) }); err != nil {
			t.Error(err)
		}
		if err := db.View(ctx, func(tx Tx) error {
			return moment("ephemeral view", tx.Ephemeral().Range(ctx, "p/", "p0", nil))
		}); err != nil {
			t.Error(err)
		}
	}
}

// TestRangeArguments: what is wrong with the arguments is the first pair, and the
// only one.
func TestRangeArguments(t *testing.T) {
	ctx := context.Background()
	db := openTest(t, "", nil)
	tx, err := db.Begin(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, s := range []Space{db, db.Ephemeral(), tx, tx.Ephemeral()} {
		if _, err := s.Set(ctx, "b/1", "1", nil); err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			rows iter.Seq2[Entry, error]
			want error
		}{
			"empty bucket":   {s.Bucket(ctx, "", nil), ErrBadKey},
			"NUL":            {s.Bucket(ctx, "a\x00", nil), ErrBadKey},
			"no UTF-8":       {s.Prefix(ctx, "\xff", nil), ErrBadKey},
			"negative limit": {s.Prefix(ctx, "b", &RangeOptions{Limit: -1}), ErrBadRequest},
			"before 1970":    {s.Range(ctx, "", "", &RangeOptions{AsOf: time.Unix(-1, 0)}), ErrBadRequest},
		} {
			pairs := 0
			for e, err := range test.rows {
				if pairs++; pairs > 1 || !errors.Is(err, test.want) || e != (Entry{}) {
					t.Errorf("%s: pair %d: %+v %v, want %v", name, pairs, e, err, test.want)
				}
			}
			if pairs != 1 {
				t.Errorf("%s: %d pairs", name, pairs)
			}
		}
		for name, rows := range map[string]iter.Seq2[Entry, error]{
			"a slash": s.Bucket(ctx, "b/", nil), "everything": s.Prefix(ctx, "", nil), "no bounds": s.Range(ctx, "", "", nil)} {
			if rows, err := Collect(rows); err != nil || len(rows) != 1 || rows[0].Key != "b/1" {
				t.Errorf("%s: %+v %v", name, rows, err)
			}
		}
		if rows, err := Collect(s.Range(ctx, "c", "b", nil)); err != nil || len(rows) != 0 {
			t.Errorf("empty range: %+v %v", rows, err)
		}
		if s == Space(db) || s == db.Ephemeral() {
			if _, err := s.Delete(ctx, "b/1"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRangeLeavesNothing: a loop that ends early, and one whose context ends,
// leave no lock and nothing under way.
func TestRangeLeavesNothing(t *testing.T) {
	db := openTest(t, "", nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if _, err := db.Run(ctx, "for i in 1..2000 do set (concat('p/', i)) i end", nil, nil); err != nil {
		t.Fatal(err)
	}
	for range db.Prefix(ctx, "p/", nil) {
		break
	}
	n := 0
	for _, err := range db.Bucket(ctx, "p", nil) {
		if n++; err != nil {
			if !errors.Is(err, ErrCanceled) || !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want it canceled", err)
			}
			break
		}
		cancel()
	}
	if n > pageRowsFirst+1 {
		t.Errorf("%d rows after the context ended", n)
	}
	if s := db.Stats(); s.Locks != 0 {
		t.Errorf("%d locks are left", s.Locks)
	}
	if _, err := db.Set(context.Background(), "p/1", "2", nil); err != nil {
		t.Error(err)
	}
}
