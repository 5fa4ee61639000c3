package main

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"kahuna"
)

// checks say for each workload what n calls leave in the store: that it is
// what its name says.
var checks = map[string]func(t *testing.T, s kahuna.Space, keys, n int){
	"set": func(t *testing.T, s kahuna.Space, keys, n int) {
		if got := writes(t, s, "key/", keys); got != n {
			t.Errorf("%d writes, want %d", got, n)
		}
		for i := range keys {
			if e := get(t, s, "key/"+strconv.Itoa(i)); e.Value != "" && len(e.Value) != valueSize {
				t.Errorf("a value of %d bytes", len(e.Value))
			}
		}
	},
	"get": func(t *testing.T, s kahuna.Space, keys, _ int) {
		if got := writes(t, s, "key/", keys); got != keys {
			t.Errorf("%d writes, want only those of the filling", got)
		}
	},
	"cas": func(t *testing.T, s kahuna.Space, keys, n int) {
		if got := sum(t, s, "cas/", "", keys); got != n {
			t.Errorf("the counters add up to %d, want %d", got, n)
		}
	},
	"leaky-bucket": func(t *testing.T, s kahuna.Space, keys, n int) {
		got := 0
		for i := range keys {
			for _, part := range []string{"/tokens", "/refill"} {
				got += int(get(t, s, "rl/"+strconv.Itoa(i)+part).Revision)
			}
		}
		if got != 2*n {
			t.Errorf("%d writes, want two for each of %d calls", got, n)
		}
	},
	"inventory": func(t *testing.T, s kahuna.Space, _, n int) {
		if e := get(t, s, "inventory"); e.Value != strconv.Itoa(1_000_000_000_000-n) || int(e.Revision) != n {
			t.Errorf("%s pieces, revision %d, after %d calls", e.Value, e.Revision, n)
		}
	},
	"counter": func(t *testing.T, s kahuna.Space, keys, n int) {
		if got := sum(t, s, "counter/", "", keys); got != n {
			t.Errorf("the counters add up to %d, want %d", got, n)
		}
		for i := range keys {
			if e := get(t, s, "counter/"+strconv.Itoa(i)); e.Value != "" && e.Expires.IsZero() {
				t.Error("a counter does not expire")
			}
		}
	},
	"session": func(t *testing.T, s kahuna.Space, keys, _ int) {
		for i := range keys {
			e := get(t, s, "session/"+strconv.Itoa(i))
			if len(e.Value) != valueSize || e.Expires.IsZero() || e.Revision != 0 {
				t.Errorf("%+v is no session that was made once and extended", e)
			}
		}
	},
	"transfer": func(t *testing.T, s kahuna.Space, keys, n int) {
		if got := sum(t, s, "acct/", "", keys); got != 1000*keys {
			t.Errorf("there is %d in all accounts, want %d", got, 1000*keys)
		}
		if got := writes(t, s, "acct/", keys); got != keys+2*n {
			t.Errorf("%d writes, want two for each of %d transfers", got-keys, n)
		}
	},
}

const valueSize = 10

func get(t *testing.T, s kahuna.Space, key string) kahuna.Entry {
	t.Helper()
	e, _, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// writes adds up how often the keys were written.
func writes(t *testing.T, s kahuna.Space, prefix string, keys int) (n int) {
	t.Helper()
	for i := range keys {
		e, ok, err := s.Get(t.Context(), prefix+strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			n += int(e.Revision) + 1
		}
	}
	return n
}

func sum(t *testing.T, s kahuna.Space, prefix, suffix string, keys int) (n int) {
	t.Helper()
	for i := range keys {
		value := get(t, s, prefix+strconv.Itoa(i)+suffix).Value
		if value == "" {
			continue
		}
		v, err := strconv.Atoi(value)
		if err != nil {
			t.Fatal(err)
		}
		n += v
	}
	return n
}

// TestWorkloads runs each workload in both spaces and looks at what it did.
func TestWorkloads(t *testing.T) {
	const keys, callers, calls = 7, 3, 50
	for name, check := range checks {
		for _, ephemeral := range []bool{false, true} {
			db, err := openStore(&flags{})
			if err != nil {
				t.Fatal(err)
			}
			w, err := newWorkload(name, &flags{Keys: keys, ValueSize: valueSize, Ephemeral: ephemeral})
			if err == nil {
				err = w.prepare(t.Context(), db)
			}
			if err != nil {
				t.Fatal(err)
			}
			var n atomic.Int64
			call := w.call(t.Context())
			ctx, cancel := context.WithCancel(t.Context())
			closedLoop(ctx, newCallers(callers, 1), 1<<62, func(c *caller, i int64) error {
				if n.Add(1) > calls {
					n.Add(-1)
					cancel()
					return nil
				}
				if err := call(c, i); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				return nil
			})
			cancel()
			space := kahuna.Space(db)
			if ephemeral {
				space = db.Ephemeral()
			}
			t.Run(name+"/"+strconv.FormatBool(ephemeral), func(t *testing.T) { check(t, space, keys, int(n.Load())) })
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestTransferIsBetweenTwo checks that no transfer is from an account to
// itself, and that all accounts take part.
func TestTransferIsBetweenTwo(t *testing.T) {
	const keys = 3
	w, err := newWorkload("transfer", &flags{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	c := newCallers(1, 1)[0]
	from, to := map[any]bool{}, map[any]bool{}
	for n := range int64(1000) {
		w.params(c.params, c.rng, n)
		from[c.params["from"]], to[c.params["to"]] = true, true
		if c.params["from"] == c.params["to"] {
			t.Fatalf("from %v to itself", c.params["from"])
		}
	}
	if len(from) != keys || len(to) != keys {
		t.Errorf("from %d accounts to %d, want %d", len(from), len(to), keys)
	}
}

// TestNames checks that names made in advance are those made when needed.
func TestNames(t *testing.T) {
	few, many := newNames("a/", "/b", 10), newNames("a/", "/b", namesKept+1)
	if few.made == nil || many.made != nil {
		t.Fatal("few names are to be made in advance, many are not")
	}
	for i := range 10 {
		if few.at(i) != many.at(i) {
			t.Errorf("%v and %v", few.at(i), many.at(i))
		}
	}
}
