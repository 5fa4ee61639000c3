package partition

import (
	"context"
	"errors"
	"testing"

	"kahuna/internal/kv"
	"kahuna/script"
)

// during runs f in the middle of work, after read.
func during(read, write func(*Tx) error, f func()) workFunc {
	return func(tx *Tx) error {
		if err := read(tx); err != nil {
			return err
		}
		f()
		return write(tx)
	}
}

// slowOptions are those of a run that never has to wait.
func slowOptions() SlowOptions {
	now := func() int64 { return 1000 }
	return SlowOptions{Now: now, Sleep: func(ms int64) (int64, error) { return now() + ms, nil }, Poll: func(int64) error { return nil }}
}

// wantCode checks that err has a code, and that nothing was applied.
func wantCode(t *testing.T, what string, err error, code script.Code) {
	t.Helper()
	var e *script.Error
	if !errors.As(err, &e) || e.Code != code || e.Outcome != script.NotApplied {
		t.Errorf("%s: %v, want %s, not applied", what, err, code)
	}
}

// TestInvariantPART8: whatever has begun in one term fails in the next one, and
// leaves nothing there. In between k was lost.
func TestInvariantPART8(t *testing.T) {
	t.Parallel()
	read := func(tx *Tx) error { return shows("k", "2")(tx) }
	sum := put("sum", "2+1")
	lockK := &LockSet{Points: []Point{{Space: kv.Persistent, Key: "k"}}}
	inSession := func(o SessionOptions) func(p *bench, next func()) error {
		o.Now = func() int64 { return 1000 }
		o.Wait = func(_, _ <-chan struct{}) error { return nil }
		return func(p *bench, next func()) error {
			s, err := p.Begin(o)
			if err != nil {
				return err
			}
			defer s.Rollback()
			if _, err = s.Do(workFunc(read), nil); err == nil && !o.ReadOnly {
				_, err = s.Do(sum, nil)
			}
			if err != nil {
				return err
			}
			next()
			_, err = s.Commit()
			return err
		}
	}
	slow := func(set *LockSet, write func(*Tx) error) func(p *bench, next func()) error {
		return func(p *bench, next func()) error {
			ticket := p.Acquire(set)
			defer p.Release(ticket)
			_, _, err := p.Slow(during(read, write, next), ticket, slowOptions(), nil)
			return err
		}
	}
	for name, run := range map[string]func(p *bench, next func()) error{
		"transaction":               inSession(SessionOptions{}),
		"optimistic transaction":    inSession(SessionOptions{Optimistic: true}),
		"read-only transaction":     inSession(SessionOptions{ReadOnly: true}),
		"slow run with locks":       slow(lockK, sum),
		"slow run without":          slow(&LockSet{}, sum),
		"slow run that only reads":  slow(lockK, func(*Tx) error { return nil }),
		"slow run that fails":       slow(lockK, func(*Tx) error { return errors.New("k is 2") }),
		"slow run with late ticket": func(p *bench, next func()) error { return late(p, next, true) },
		"fast run with late ticket": func(p *bench, next func()) error { return late(p, next, false) },
	} {
		t.Run(name, func(t *testing.T) {
			p := onStore(t, 1<<20)
			p.run(put("k", "1"))
			p.commit(true)
			p.run(put("k", "2"))
			p.Take()
			err := run(p, func() {
				p.Stop(ErrNotLeading)
				if !p.Lead(2, 0) {
					t.Fatal("it does not lead")
				}
			})
			wantCode(t, name, err, script.CodeRetry)
			if b := p.Take(); b != nil {
				t.Errorf("the next term has %+v", b.Ops)
			}
			if n := p.Stats().Locks; n != 0 {
				t.Errorf("%d locks are left", n)
			}
			p.run(shows("k", "1"))
		})
	}
}

// late runs work under a ticket of an earlier term.
func late(p *bench, next func(), slow bool) error {
	ticket := p.Acquire(&LockSet{Points: []Point{{Space: kv.Persistent, Key: "k", Write: true}}})
	defer p.Release(ticket)
	next()
	var err error
	if slow {
		_, _, err = p.Slow(put("k", "3"), ticket, slowOptions(), nil)
	} else {
		_, _, err = p.Fast(context.Background(), put("k", "3"), ticket, 1000, nil)
	}
	return err
}

// TestLocksAndDiskFailure: when the disk fails, those who wait for locks run on:
// who writes is told, who reads what is durable is answered.
func TestLocksAndDiskFailure(t *testing.T) {
	t.Parallel()
	p := onStore(t, 1<<20)
	p.run(put("k", "1"))
	p.run(put("d/1", "1"))
	p.commit(true)
	failure := &script.Error{Code: script.CodeStorage, Message: "the disk failed"}
	var onWait func()
	begin := func() *Session {
		s, err := p.Begin(SessionOptions{Now: func() int64 { return 1000 }, Wait: func(granted, _ <-chan struct{}) error {
			select {
			case <-granted:
				return nil
			default:
			}
			onWait()
			<-granted
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	bucket := workFunc(func(tx *Tx) error {
		return tx.Scan(kv.Persistent, false, "d", 0, func(script.Row) error { return nil })
	})
	do := func(s *Session, w Work) {
		t.Helper()
		if _, err := s.Do(w, nil); err != nil {
			t.Fatal(err)
		}
	}
	reader, scanner, writer := begin(), begin(), begin()
	do(reader, shows("k", "1"))
	do(reader, bucket)
	do(scanner, shows("k", "1"))
	script1 := p.Acquire(&LockSet{Points: []Point{{Space: kv.Persistent, Key: "k", Write: true}}})
	defer p.Release(script1)
	onWait = func() { p.Stop(failure) }
	do(writer, put("k", "2"))
	if !isGranted(script1) {
		t.Error("a script still waits")
	}
	// They go on with what they had locked, and with more.
	do(reader, shows("k", "1"))
	do(reader, bucket)
	do(scanner, bucket)
	for name, s := range map[string]*Session{"reader": reader, "scanner": scanner} {
		if _, err := s.Commit(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := writer.Commit()
	wantCode(t, "the writer", err, script.CodeStorage)
	_, _, err = p.Fast(context.Background(), put("k", "3"), script1, 1000, nil)
	wantCode(t, "the script", err, script.CodeStorage)
	if n := p.Stats().Locks; n != 0 {
		t.Errorf("%d locks are left", n)
	}
	p.run(shows("k", "1"))
}

// TestFinal: after a storage error, and after Close, no term begins; the reads
// of a partition that did not lead when the disk failed stay refused.
func TestFinal(t *testing.T) {
	t.Parallel()
	failure := &script.Error{Code: script.CodeStorage, Message: "the disk failed"}
	closed := &script.Error{Code: script.CodeClosed, Message: "the store is closed"}
	for name, c := range map[string]struct {
		end         func(p *bench)
		read, write script.Code
	}{
		"failed":                 {func(p *bench) { p.Stop(failure) }, "", script.CodeStorage},
		"failed, then no leader": {func(p *bench) { p.Stop(failure); p.Stop(ErrNotLeading) }, script.CodeStorage, script.CodeStorage},
		"no leader, then failed": {func(p *bench) { p.Stop(ErrNotLeading); p.Stop(failure) }, script.CodeStorage, script.CodeStorage},
		"closed":                 {func(p *bench) { p.Close(closed) }, script.CodeClosed, script.CodeClosed},
		"closed, then failed":    {func(p *bench) { p.Close(closed); p.Stop(failure) }, script.CodeClosed, script.CodeClosed},
	} {
		t.Run(name, func(t *testing.T) {
			p := onStore(t, 1<<20)
			p.run(put("k", "1"))
			p.commit(true)
			c.end(p)
			if p.Lead(2, 0) {
				t.Error("it leads again")
			}
			if _, _, err := p.Fast(context.Background(), shows("k", "1"), nil, 1000, nil); c.read == "" && err != nil {
				t.Errorf("a read: %v", err)
			} else if c.read != "" {
				wantCode(t, "a read", err, c.read)
			}
			_, _, err := p.Fast(context.Background(), put("k", "2"), nil, 1000, nil)
			wantCode(t, "a write", err, c.write)
		})
	}
}

// TestPostponed: a batch that could not be proposed stays the next one, and is
// not applied, for certain, when the partition stops before that.
func TestPostponed(t *testing.T) {
	t.Parallel()
	p := onStore(t, 1<<20)
	_, first, err := p.Fast(context.Background(), put("k", "1"), nil, 1000, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := p.Take()
	p.Postponed(b)
	_, second, err := p.Fast(context.Background(), put("k", "2"), nil, 1000, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o := p.Take(); o != nil {
		t.Fatal("another batch overtakes it")
	}
	if !p.Resume(b) {
		t.Fatal("it is not to be proposed again")
	}
	p.Postponed(b)
	p.Stop(ErrNotLeading)
	for _, done := range []Done{first, second} {
		<-done.Batch.Done
		wantCode(t, "a write", done.Batch.Err, script.CodeRetry)
	}
	if p.Lead(2, 0); p.Resume(b) {
		t.Error("a batch of an earlier term is to be proposed")
	}
	// Nor does its refusal, which comes late, stop this term.
	p.Refused(b, ErrNotLeading)
	p.run(put("k", "3"))
}
