package kahuna

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestResultKinds: a result tells the types of its values, and a list from a
// single value, also when an idempotent request is repeated.
func TestResultKinds(t *testing.T) {
	ctx := context.Background()
	db := openTest(t, "", nil)
	mustRun(t, db, "set k 'v' set `b/x` 1", nil, nil)
	for _, test := range []struct {
		source string
		list   bool
		kinds  []Kind
	}{
		{"return 1", false, []Kind{KindInt}},
		{"return 1.5", false, []Kind{KindFloat}},
		{"return true", false, []Kind{KindBool}},
		{"return null", false, []Kind{KindNull}},
		{"return '1'", false, []Kind{KindString}},
		{"return ['x']", true, []Kind{KindString}},
		{"return []", true, nil},
		{"return {a: 1}", false, []Kind{KindMap}},
		{"return [1, 'x', [2], null]", true, []Kind{KindInt, KindString, KindArray, KindNull}},
		{"get k", false, []Kind{KindString}},
		{"get none", false, []Kind{KindNull}},
		{"set k 'w'", false, []Kind{KindNull}},
		{"get by bucket b", true, []Kind{KindString}},
	} {
		for range 2 {
			res, err := db.Run(ctx, test.source, nil, &RunOptions{IdempotencyKey: test.source})
			if err != nil {
				t.Fatal(err)
			}
			var kinds []Kind
			for _, e := range res.Entries {
				kinds = append(kinds, e.Kind)
			}
			if res.List != test.list || len(kinds) != len(test.kinds) {
				t.Errorf("%s: list %v, kinds %v", test.source, res.List, kinds)
				continue
			}
			for i := range kinds {
				if kinds[i] != test.kinds[i] {
					t.Errorf("%s: value %d is a %v, want %v", test.source, i, kinds[i], test.kinds[i])
				}
			}
		}
	}
}

func TestResultInt(t *testing.T) {
	db := openTest(t, "", nil)
	if n, err := mustRun(t, db, "return -5", nil, nil).Int(); n != -5 || err != nil {
		t.Error(n, err)
	}
	for source, shown := range map[string]string{"return 'five'": `"five"`, "return null": "null", "return 1.5": `"1.5"`} {
		_, err := mustRun(t, db, source, nil, nil).Int()
		if want := "the result is no whole number: " + shown; !errors.Is(err, &Error{Code: CodeType, Message: want}) {
			t.Errorf("%s: %v, want %s", source, err, want)
		}
	}
}

// TestTimes: times of rows and writes are those of their commits.
func TestTimes(t *testing.T) {
	ctx := context.Background()
	db := openTest(t, "", nil)
	before := time.Now().Truncate(time.Millisecond)
	w, err := db.Set(ctx, "k", "v", &SetOptions{TTL: time.Hour})
	if err != nil || w.Time.Before(before) || w.Time.After(time.Now()) {
		t.Fatalf("%+v %v", w, err)
	}
	e, _, err := db.Get(ctx, "k")
	if err != nil || !e.Modified.Equal(w.Time) || !e.Expires.Equal(w.Time.Add(time.Hour)) {
		t.Errorf("%+v %v, written at %v", e, err, w.Time)
	}
	if w, err := db.Set(ctx, "k", "v", &SetOptions{NX: true}); err != nil || w.Done || !w.Time.IsZero() {
		t.Errorf("what was not written has the time %v (%v)", w.Time, err)
	}
	if w, err := db.Extend(ctx, "k", 0); err != nil || w.Time.IsZero() {
		t.Errorf("%+v %v", w, err)
	}
	if e, _, _ := db.Get(ctx, "k"); !e.Expires.IsZero() {
		t.Errorf("%+v", e)
	}
	// A key keeps its expiry, one that is not there gets another.
	for _, key := range []string{"k", "new"} {
		if _, err := db.Set(ctx, key, "v", &SetOptions{TTL: time.Hour, KeepTTL: true}); err != nil {
			t.Error(err)
		}
	}
	old, _, _ := db.Get(ctx, "k")
	made, _, _ := db.Get(ctx, "new")
	if !old.Expires.IsZero() || made.Expires.IsZero() {
		t.Errorf("%+v %+v", old, made)
	}
	err = db.Update(ctx, func(tx Tx) error {
		if w, err := tx.Set(ctx, "k", "v", nil); err != nil || !w.Done || !w.Time.IsZero() {
			t.Errorf("in a transaction: %+v %v", w, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestTxRunsPrograms: a transaction runs compiled programs of its store, with
// options that make sense in it.
func TestTxRunsPrograms(t *testing.T) {
	ctx := context.Background()
	db, other := openTest(t, "", nil), openTest(t, "", nil)
	add, err := db.Compile("set n to_int(get n) + @by; return get n")
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(ctx, func(tx Tx) error {
		for want := range 3 {
			res, err := tx.RunProgram(ctx, add, Params{"by": 1}, &RunOptions{Timeout: time.Minute})
			if err != nil {
				return err
			}
			if n, err := res.Int(); n != int64(want+1) || err != nil || res.Outcome != NotApplied {
				t.Errorf("%v %v %v, want %d", n, err, res.Outcome, want+1)
			}
		}
		if _, err := tx.RunProgram(ctx, add, Params{"by": 1}, &RunOptions{IdempotencyKey: "k"}); !errors.Is(err, ErrBadRequest) {
			t.Errorf("an idempotency key: %v", err)
		}
		foreign, err := other.Compile("return 1")
		if err != nil {
			return err
		}
		if _, err := tx.RunProgram(ctx, foreign, nil, nil); !errors.Is(err, ErrBadRequest) {
			t.Errorf("a program of another store: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	wantValue(t, db, "n", "3")
}

// TestSentinels: errors.Is tells errors apart by what a program decides by, and
// a sentinel that is printed says what it is.
func TestSentinels(t *testing.T) {
	ctx := context.Background()
	db := openTest(t, "", nil)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	run := func(ctx context.Context, source string) error {
		_, err := db.Run(ctx, source, nil, &RunOptions{Timeout: 20 * time.Millisecond})
		return err
	}
	for _, test := range []struct {
		err, want error
	}{
		{run(ctx, "throw 'no'"), ErrThrow},
		{run(ctx, "throw 'no', 'sold-out'"), &Error{Code: CodeThrow, UserCode: "sold-out"}},
		{run(ctx, "begin rollback end"), ErrRollback},
		{run(ctx, "sleep 10000"), ErrTimeout},
		{run(ctx, "return repeat('x', 100000000)"), ErrLimit},
		{run(ctx, "begin (snapshot=1) set a 1 commit end"), ErrReadOnly},
		{run(canceled, "set a 1"), ErrCanceled},
		{run(canceled, "set a 1"), context.Canceled},
		{func() error { _, err := db.Set(ctx, "", "v", nil); return err }(), ErrBadKey},
		{func() error { _, err := db.Extend(ctx, "k", -1); return err }(), ErrBadRequest},
	} {
		var e *Error
		if !errors.Is(test.err, test.want) || !errors.As(test.err, &e) || e.Outcome != NotApplied {
			t.Errorf("%v, want %v", test.err, test.want)
		}
		if errors.Is(test.err, ErrOutcomeUnknown) || errors.Is(test.err, &Error{Code: e.Code, UserCode: "other"}) {
			t.Errorf("%v is taken for another one", test.err)
		}
	}
	for _, err := range []error{ErrThrow, ErrOutcomeUnknown, ErrClosed, ErrInUse, ErrBackup} {
		if err.Error() == "" || err.Error() == "kahuna: " {
			t.Errorf("%#v prints as nothing", err)
		}
	}
}
