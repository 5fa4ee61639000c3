package script_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kahuna/internal/model"
	_ "kahuna/internal/seed" // fixed seeds
	"kahuna/script"
)

// smallLimits make the bounds of a run part of what is compared.
var smallLimits = script.Limits{
	Steps: 300, Elements: 20, ValueBytes: 200, KeyBytes: 40, Rows: 4, WrittenKeys: 5,
	WrittenBytes: 400, MemoryBytes: 20_000, AnswerBytes: 150, SleepMs: 1000,
}

// watched is a transaction that writes down what is asked of it, and fails
// where it is told to.
type watched struct {
	script.Tx
	calls  []string
	failAt int // number of the call that fails, 0 for none
	fail   error
	in     *script.Interrupt // stopped instead, when not nil
	fp     *script.Footprint
	bad    string // a call outside the footprint
}

func (w *watched) note(format string, args ...any) error {
	w.calls = append(w.calls, fmt.Sprintf(format, args...))
	if len(w.calls) != w.failAt {
		return nil
	}
	if w.in != nil {
		w.in.Stop(w.fail)
		return nil
	}
	return w.fail
}

func (w *watched) point(space script.Space, key string, write bool) {
	for _, p := range w.fp.Points {
		if p.Space == space && p.Key == key && (p.Write || !write) {
			return
		}
	}
	if w.fp.Complete {
		w.bad = fmt.Sprintf("key %q (write %v) is not in %+v", key, write, w.fp)
	}
}

func (w *watched) Get(space script.Space, key string) (script.Row, error) {
	w.point(space, key, false)
	if err := w.note("get %d %q", space, key); err != nil {
		return script.Row{}, err
	}
	return w.Tx.Get(space, key)
}

func (w *watched) GetAt(space script.Space, key string, rev int64) (script.Row, error) {
	if err := w.note("at %d %q %d", space, key, rev); err != nil {
		return script.Row{}, err
	}
	return w.Tx.GetAt(space, key, rev)
}

func (w *watched) GetAsOf(space script.Space, key string, ms int64) (script.Row, error) {
	if err := w.note("as of %d %q %d", space, key, ms); err != nil {
		return script.Row{}, err
	}
	return w.Tx.GetAsOf(space, key, ms)
}

func (w *watched) Set(space script.Space, key, value string, o *script.SetOptions) (script.WriteResult, error) {
	w.point(space, key, true)
	if err := w.note("set %d %q %q %+v", space, key, value, *o); err != nil {
		return script.WriteResult{}, err
	}
	return w.Tx.Set(space, key, value, o)
}

func (w *watched) Delete(space script.Space, key string) (script.WriteResult, error) {
	w.point(space, key, true)
	if err := w.note("delete %d %q", space, key); err != nil {
		return script.WriteResult{}, err
	}
	return w.Tx.Delete(space, key)
}

func (w *watched) Extend(space script.Space, key string, ttl int64) (script.WriteResult, error) {
	w.point(space, key, true)
	if err := w.note("extend %d %q %d", space, key, ttl); err != nil {
		return script.WriteResult{}, err
	}
	return w.Tx.Extend(space, key, ttl)
}

func (w *watched) Scan(space script.Space, prefix bool, text string, asOf int64, visit func(script.Row) error) error {
	r := script.RangeAccess{Space: space, Prefix: prefix, Text: text}
	if w.fp.Complete && asOf == 0 && !slices.Contains(w.fp.Ranges, r) {
		w.bad = fmt.Sprintf("%+v is not in %+v", r, w.fp)
	}
	if err := w.note("scan %+v %d", r, asOf); err != nil {
		return err
	}
	return w.Tx.Scan(space, prefix, text, asOf, visit)
}

// covers finds the range that p is a part of.
func covers(p *script.Part) func(script.RangeAccess) bool {
	return func(r script.RangeAccess) bool {
		return r.Space == p.Space && r.Prefix == p.Prefix && r.Text == p.Text
	}
}

func (w *watched) ScanPart(p *script.Part, visit func(script.Row) error) error {
	// A key that is known only while running is in no footprint.
	if p.AsOf == 0 && w.fp.Complete && (p.Limit >= 0 || p.HasAfter || !slices.ContainsFunc(w.fp.Ranges, covers(p))) {
		w.bad = fmt.Sprintf("%+v is not in %+v", p, w.fp)
	}
	if err := w.note("part %+v", *p); err != nil {
		return err
	}
	return w.Tx.ScanPart(p, visit)
}

func (w *watched) Sleep(ms int64) error {
	if err := w.note("sleep %d", ms); err != nil {
		return err
	}
	return w.Tx.Sleep(ms)
}

// startStore is what the compared scripts find.
func startStore() *model.Store {
	s := model.NewStore()
	for _, r := range []model.Row{
		{Key: "a", Value: "5", Revision: 0, Modified: clock(100)},
		{Key: "a", Value: "7", Revision: 1, Modified: clock(200)},
		{Key: "b", Value: "text", Revision: 4, Modified: clock(100), Expires: nowMs + 50},
		{Key: "c", Deleted: true, Revision: 2, Modified: clock(300)},
		{Key: "d", Value: "true", Revision: 0, Modified: clock(300), Expires: nowMs - 1},
		{Key: "n/1", Value: "1", Revision: 0, Modified: clock(100)},
		{Key: "n/2", Value: "2", Revision: 3, Modified: clock(400)},
		{Key: "n/2/x", Value: "", Revision: 0, Modified: clock(500)},
		{Space: script.Ephemeral, Key: "a", Value: "1.5", Revision: 0, Modified: clock(100)},
		{Space: script.Ephemeral, Key: "n/9", Value: "9", Revision: 0, Modified: clock(100)},
	} {
		if err := s.Put(r); err != nil {
			panic(err)
		}
	}
	return s
}

// compare runs a source in both implementations, plainly and with a budget
// and a failure, and checks invariants SCRIPT-1 and SCRIPT-3. It returns what
// is wrong, and whether the source is a script at all.
func compare(source string, params map[string]any, budget int64, failAt int) (problem string, ok bool) {
	p, err := script.Compile(source, &smallLimits)
	if err != nil {
		var e *script.Error
		if !errors.As(err, &e) || e.Line == 0 || e.Code == "" || len(e.Diagnostics) == 0 {
			return fmt.Sprintf("a strange error of Compile: %#v", err), false
		}
		_ = e.Detail()
		return "", false
	}
	c, err := p.Bind(params)
	if err != nil {
		var e *script.Error
		if !errors.As(err, &e) || e.Line == 0 {
			return fmt.Sprintf("a strange error of Bind: %#v", err), true
		}
		return "", true
	}
	defer c.Release()
	conflict := &script.Error{Code: script.CodeConflict, Message: "conflict: 'k' was changed"}
	plain := errors.New("the disk is gone")
	e := &env{store: startStore()}
	for _, variant := range []watched{
		{},
		{failAt: failAt, fail: conflict},
		{failAt: failAt, fail: plain},
		{failAt: failAt, fail: conflict, in: new(script.Interrupt)},
		{failAt: failAt, fail: script.ErrSlowPath},
	} {
		for _, e.budget = range []int64{0, budget} {
			var logs [3][]string
			var outcomes [3]outcome
			for i, how := range []runner{script.RunBySteps, script.Oracle, compiled} {
				w := variant
				w.fp = c.Footprint()
				if w.in != nil {
					w.in = new(script.Interrupt)
				}
				outcomes[i] = e.run(c, func(c *script.Call, tx script.Tx, _ *script.Interrupt, budget int64) (*script.Result, error) {
					w.Tx = tx
					return how(c, &w, w.in, budget)
				})
				if w.bad != "" {
					return w.bad, true
				}
				logs[i] = w.calls
			}
			if diff := same(outcomes[0], outcomes[1]); diff != "" {
				return fmt.Sprintf("compiled and oracle differ (budget %d, failure %v at %d): %s", e.budget, variant.fail, failAt, diff), true
			}
			if !slices.Equal(logs[0], logs[1]) {
				return fmt.Sprintf("compiled and oracle ask differently:\n%q\n%q", logs[0], logs[1]), true
			}
			// Bytes that are made or read count against the budget too: that may
			// send a run to the slow path earlier, and changes nothing else.
			if e.budget > 0 && errors.Is(outcomes[2].err, script.ErrSlowPath) {
				continue
			}
			if diff := same(outcomes[2], outcomes[1]); diff != "" {
				return fmt.Sprintf("bytes in the budget change the answer (budget %d, failure %v at %d): %s", e.budget, variant.fail, failAt, diff), true
			}
		}
	}
	return "", true
}

// someParams are what the placeholders of compared scripts get.
func someParams() map[string]any {
	return map[string]any{"a": "a", "b": int64(7), "k": "n/1", "n": "12", "f": 2.5, "list": []any{"x", int64(1), nil}, "no": nil}
}

// TestGenerated compares both implementations on random scripts that are well
// formed, and mostly run.
func TestGenerated(t *testing.T) {
	ran, committed := 0, 0
	check := func(t *rapid.T) {
		g := generator{pick: func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }}
		source := g.script()
		budget := int64(rapid.IntRange(1, 40).Draw(t, "budget"))
		failAt := rapid.IntRange(1, 6).Draw(t, "failAt")
		problem, ok := compare(source, someParams(), budget, failAt)
		if problem != "" {
			t.Fatalf("%s\nin\n%s", problem, source)
		}
		if ok {
			ran++
			if commits(source) {
				committed++
			}
		}
	}
	for range 10 { // rapid's own number of checks is small
		if rapid.Check(t, check); t.Failed() {
			return
		}
	}
	t.Logf("%d scripts compiled, %d committed", ran, committed)
	if ran < 20 || committed < ran/4 {
		t.Errorf("of %d scripts %d committed: the generator is no good", ran, committed)
	}
}

// commits reports whether a script that compiles commits.
func commits(source string) bool {
	p, err := script.Compile(source, &smallLimits)
	if err != nil {
		return false
	}
	c, err := p.Bind(someParams())
	if err != nil {
		return false
	}
	defer c.Release()
	_, err = c.Run(startStore().Begin(clock(nowMs)), nil, 0)
	return err == nil
}

// FuzzEval compares both implementations on whatever text compiles.
func FuzzEval(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add(s, uint8(5), uint8(2))
	}
	f.Fuzz(func(t *testing.T, source string, budget, failAt uint8) {
		if len(source) > 4096 {
			return
		}
		if problem, _ := compare(source, someParams(), int64(budget), int(failAt)); problem != "" {
			t.Fatalf("%s\nin\n%s", problem, source)
		}
	})
}

// corpus is the scripts of the golden files, and a few of every kind.
func corpus(f *testing.F) []string {
	files, err := filepath.Glob("testdata/run/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden files", err)
	}
	var scripts []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "\n\n") {
			_, body, _ := strings.Cut(part, "run\n")
			body, _, ok := strings.Cut(body, "\n----")
			if !ok {
				continue
			}
			var lines []string
			for _, line := range strings.Split(body, "\n") {
				if !strings.HasPrefix(line, "#!") {
					lines = append(lines, line)
				}
			}
			scripts = append(scripts, strings.Join(lines, "\n"))
		}
	}
	for seed := range 50 {
		n := uint32(seed)
		g := generator{pick: func(max int) int {
			n = n*1664525 + 1013904223
			return int(n>>8) % max
		}}
		scripts = append(scripts, g.script())
	}
	return scripts
}
