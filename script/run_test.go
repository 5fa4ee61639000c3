package script_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kahuna/internal/model"
	"kahuna/script"
)

func mustCompile(t testing.TB, source string) *script.Program {
	t.Helper()
	p, err := script.Compile(source, nil)
	if err != nil {
		t.Fatal(err.(*script.Error).Detail())
	}
	return p
}

func mustBind(t testing.TB, p *script.Program, params map[string]any) *script.Call {
	t.Helper()
	c, err := p.Bind(params)
	if err != nil {
		t.Fatal(err.(*script.Error).Detail())
	}
	return c
}

// TestLongRowsTakeSteps: many operators in a row are not done in one step, and
// the few of an ordinary script are.
func TestLongRowsTakeSteps(t *testing.T) {
	for _, unit := range []string{" + n", " ?? n", " == n", " - 1"} {
		for _, operators := range []int{2, 254, 256, 512, 40_000} {
			row := strings.Repeat(unit, operators)
			c := mustBind(t, mustCompile(t, "let n = 0 let m = n"+row+" return abs(n)"), nil)
			tx := model.NewStore().Begin(clock(nowMs))
			steps := int64(4 + operators/256)
			if _, err := c.Run(tx, nil, steps-1); !errors.Is(err, script.ErrSlowPath) {
				t.Errorf("%d operators of %q take less than %d steps: %v", operators, unit, steps, err)
			}
			if _, err := c.Run(tx, nil, steps); err != nil {
				t.Errorf("%d operators of %q take more than %d steps: %v", operators, unit, steps, err)
			}
			c.Release()
		}
	}
}

// everyStep is a script that asks the transaction something exactly once in
// every step it takes: statements, loop passes and function calls of all
// kinds.
const everyStep = `
let a = get k
set k 1
if exists k then
  delete k
end
for v in [current_time()] do
  get by bucket b
end
let i = 0
while (exists k) == false && i < 2 do
  let i = i + 1
  extend k 5
end
switch eget k case null then
  eset k 1
end
assert not (eexists j), 'no'
sleep 1
return get k
`

// TestStopAtEveryCall stops the run from within each of its calls of Tx: the
// next step must see it.
func TestStopAtEveryCall(t *testing.T) {
	c := mustBind(t, mustCompile(t, everyStep), nil)
	defer c.Release()
	count := &watched{Tx: model.NewStore().Begin(clock(nowMs)), fp: c.Footprint()}
	if _, err := c.Run(count, nil, 0); err != nil {
		t.Fatal(err)
	}
	if len(count.calls) < 12 {
		t.Fatalf("only %d calls: %q", len(count.calls), count.calls)
	}
	stopped := &script.Error{Code: script.CodeTimeout, Message: "transaction timed out after 5 ms"}
	for n := 1; n < len(count.calls); n++ {
		in := new(script.Interrupt)
		w := &watched{Tx: model.NewStore().Begin(clock(nowMs)), fp: c.Footprint(), failAt: n, fail: stopped, in: in}
		r, err := c.Run(w, in, 0)
		var e *script.Error
		if !errors.As(err, &e) || e.Code != script.CodeTimeout || e.Line == 0 || r != nil {
			t.Errorf("stopped in %q: %v, %v", w.calls[n-1], r, err)
		}
		if len(w.calls) != n {
			t.Errorf("stopped in %q, but it went on with %q", w.calls[n-1], w.calls[n:])
		}
	}
	if stopped.Line != 0 {
		t.Error("the error given to Stop was changed")
	}
}

// TestStopBefore: a run that is stopped before it begins does nothing.
func TestStopBefore(t *testing.T) {
	c := mustBind(t, mustCompile(t, "set a 1"), nil)
	defer c.Release()
	in := new(script.Interrupt)
	gone := errors.New("client went away")
	in.Stop(gone)
	in.Stop(errors.New("too late"))
	w := &watched{Tx: model.NewStore().Begin(clock(nowMs)), fp: c.Footprint()}
	if _, err := c.Run(w, in, 0); err != gone || len(w.calls) != 0 {
		t.Errorf("%v, calls %q", err, w.calls)
	}
}

// TestStopInScan stops a scan at each of its rows.
func TestStopInScan(t *testing.T) {
	c := mustBind(t, mustCompile(t, "scan by prefix r"), nil)
	defer c.Release()
	gone := errors.New("client went away")
	for n := 1; n <= 5; n++ {
		in := new(script.Interrupt)
		tx := &manyRows{rows: 5, at: n, do: func() { in.Stop(gone) }}
		if _, err := c.Run(tx, in, 0); err != gone || tx.shown != n {
			t.Errorf("stopped at row %d: %v, %d rows shown", n, err, tx.shown)
		}
	}
}

// manyRows is a transaction whose scans show many rows, in reverse order.
type manyRows struct {
	script.Tx
	rows, shown, at int
	do              func()
}

func (m *manyRows) Scan(_ script.Space, _ bool, _ string, _ int64, visit func(script.Row) error) error {
	m.shown = 0
	for i := m.rows; i > 0; i-- {
		m.shown++
		if m.shown == m.at {
			m.do()
		}
		if err := visit(script.Row{Key: fmt.Sprintf("r%04d", i), Value: "v", Found: true}); err != nil {
			return err
		}
	}
	return nil
}

func TestScanSorts(t *testing.T) {
	c := mustBind(t, mustCompile(t, "scan by prefix r"), nil)
	defer c.Release()
	r, err := c.Run(&manyRows{rows: 4096}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range r.Entries {
		if e.Key != fmt.Sprintf("r%04d", i+1) {
			t.Fatalf("entry %d is %s", i, e.Key)
		}
	}
	if _, err = c.Run(&manyRows{rows: 4097}, nil, 0); !errors.Is(err, &script.Error{Code: script.CodeLimit}) {
		t.Errorf("4097 rows: %v", err)
	}
}

// TestBudget gives a run every budget there is: it is enough or it is not,
// and the answer is the same when it is.
func TestBudget(t *testing.T) {
	c := mustBind(t, mustCompile(t, everyStep), nil)
	defer c.Release()
	want, err := c.Run(model.NewStore().Begin(clock(nowMs)), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	enough := false
	for budget := int64(1); budget <= 60; budget++ {
		r, err := c.Run(model.NewStore().Begin(clock(nowMs)), nil, budget)
		switch {
		case err == nil && show(r) != show(want):
			t.Fatalf("budget %d: %s, want %s", budget, show(r), show(want))
		case err == nil:
			enough = true
		case err != script.ErrSlowPath || enough:
			t.Fatalf("budget %d: %v (enough before: %v)", budget, err, enough)
		}
	}
	if !enough {
		t.Error("no budget was enough")
	}
}

// TestMemoryLimits runs under every memory limit: a run fails with code limit
// or gives the usual answer.
func TestMemoryLimits(t *testing.T) {
	const source = "let a = [1, get k, @p] let s = repeat('xy', 20) let j = to_json(a) let b = get by bucket n return [a, s, j, count(b)]"
	want := ""
	for memory := int64(1); memory < 2000; memory += 7 {
		p, err := script.Compile(source, &script.Limits{MemoryBytes: memory})
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.Bind(map[string]any{"p": []any{"a", "b"}})
		if err == nil {
			var r *script.Result
			if r, err = c.Run(startStore().Begin(clock(nowMs)), nil, 0); err == nil {
				if want == "" {
					want = show(r)
				}
				if show(r) != want {
					t.Fatalf("memory %d: %s, want %s", memory, show(r), want)
				}
			}
			c.Release()
		}
		if err != nil && (!errors.Is(err, &script.Error{Code: script.CodeLimit}) || want != "") {
			t.Fatalf("memory %d: %v", memory, err)
		}
	}
	if want == "" {
		t.Error("no limit was large enough")
	}
}

// TestShared runs one program in many goroutines.
func TestShared(t *testing.T) {
	p := mustCompile(t, leakyBucket)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				key := fmt.Sprintf("rl/%d/%d", g, i%3)
				c, err := p.Bind(map[string]any{
					"rate_limit_param": key, "last_refill_param": key + "/t",
					"refill_interval_param": "1000", "@capacity": 10 + g,
				})
				if err != nil {
					t.Error(err)
					return
				}
				store := model.NewStore()
				if fp := c.Footprint(); len(fp.Points) != 2 || fp.Points[0].Key != key || !fp.Points[1].Write {
					t.Errorf("footprint %+v", fp)
				}
				tx := store.Begin(clock(nowMs))
				r, err := c.Run(tx, nil, 0)
				c.Release()
				if err != nil || r.Text() != "1" {
					t.Errorf("%v, %v", r, err)
					return
				}
				tx.Commit(clock(nowMs + 1))
				if rows := store.Live(nowMs); len(rows) != 2 || rows[0].Key != key || rows[0].Value != fmt.Sprint(9+g) {
					t.Errorf("stored %v", rows)
				}
			}
		})
	}
	wg.Wait()
}

// TestRerun: a run leaves nothing behind for the next, whatever its end.
func TestRerun(t *testing.T) {
	const source = `
if @n == 1 then let x = get k let y = [x] set k to_int(x) + 1 end
if @fail == 1 then throw concat(1, 2 / 0) end
if @n == 2 then return not set end
return x`
	p := mustCompile(t, source)
	one := mustBind(t, p, map[string]any{"n": 1, "fail": 1})
	if _, err := one.Run(startStore().Begin(clock(nowMs)), nil, 0); err == nil {
		t.Fatal("no error")
	}
	one.Release()
	for range 3 {
		c := mustBind(t, p, map[string]any{"n": 2, "fail": 0})
		for range 3 {
			_, err := c.Run(startStore().Begin(clock(nowMs)), nil, 0)
			if !errors.Is(err, &script.Error{Code: script.CodeState}) {
				t.Errorf("a guard or variable was left over: %v", err)
			}
		}
		c.Release()
		c = mustBind(t, p, map[string]any{"n": 3, "fail": 0})
		if _, err := c.Run(startStore().Begin(clock(nowMs)), nil, 0); !errors.Is(err, &script.Error{Code: script.CodeUndefinedVariable}) {
			t.Errorf("a variable was left over: %v", err)
		}
		c.Release()
	}
}

// TestResultOutlivesCall: entries stay valid when the frame serves others.
func TestResultOutlivesCall(t *testing.T) {
	p := mustCompile(t, "get by bucket n")
	c := mustBind(t, p, nil)
	r, err := c.Run(startStore().Begin(clock(nowMs)), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	before := show(r)
	if _, err := c.Run(&manyRows{rows: 50}, nil, 0); err != nil {
		t.Fatal(err)
	}
	c.Release()
	if show(r) != before {
		t.Errorf("%s became %s", before, show(r))
	}
}

// TestStamp: what the engine completes at commit, and what it does not.
func TestStamp(t *testing.T) {
	for source, want := range map[string]string{
		"set e 1 ex 500":                    "Set (set)\n  key:e null r0 expires=now+509 modified=1000009",
		"set e 1":                           "Set (set)\n  key:e null r0 modified=1000009",
		"delete a":                          "Deleted (delete)\n  key:a null r2 modified=1000009",
		"extend a 500":                      "Extended (extend)\n  key:a null r1 expires=now+509",
		"extend b 0":                        "Extended (extend)\n  key:b null r4",
		"set a 1 nx":                        "NotSet (set)\n  key:a null r1",
		"get a":                             "Get (get)\n  key:a \"7\" r1 modified=200",
		"eset e 1 ex 500; eexists e":        "Exists (exists)\n  key:e null r0 expires=now+509 modified=1000009",
		"set e 1 ex 500; get e at 0":        "Get (get)\n  key:e \"1\" r0 modified=1000009",
		"set `n/3` 3; scan by prefix 'n/3'": "Get (scan)\n  key:n/3 \"3\" r0 modified=1000009",
	} {
		c := mustBind(t, mustCompile(t, source), nil)
		r, err := c.Run(startStore().Begin(clock(nowMs)), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		r.Stamp(clock(nowMs + 9))
		if got := show(r); got != want {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
		c.Release()
	}
}

// TestLongChains: a sum of thousands of terms needs no deep stack.
func TestLongChains(t *testing.T) {
	const n = 3000
	for _, x := range []struct{ start, term, want string }{
		{"x", " + x", "3001"},
		{"1", " + 1", "3001"},
		{"x == 1", " && x == 1", "true"},
		{"x == 2", " || x == 2", "false"},
		{"x == 1", " == true", "true"},
		{"null", " ?? null", ""},
	} {
		c := mustBind(t, mustCompile(t, "let x = 1 return "+x.start+strings.Repeat(x.term, n)), nil)
		r, err := c.Run(model.NewStore().Begin(clock(nowMs)), nil, 0)
		if err != nil || r.Text() != x.want {
			t.Errorf("%s%s...: %v, %v, want %s", x.start, x.term, r, err, x.want)
		}
		c.Release()
	}
}
