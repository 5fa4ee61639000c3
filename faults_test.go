package kahuna

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"kahuna/script"
)

// The fault campaign runs random scripts, typed calls, interactive transactions
// and requests with idempotency keys on a disk that fails and crashes, for
// several lives of the store, and holds every answer against the model:
//
//   - what was answered is what the model answers;
//   - "applied" is there after every later recovery, "not applied" has left no
//     trace, "unknown" is wholly there or wholly not, and stays so;
//   - after a failed write nothing is written until the store is opened again,
//     and what is read is right;
//   - a request with an idempotency key that is sent until it succeeds takes
//     effect once, and always gets its first result.
//
// It knows the worlds the store may be in, more than one while an outcome is
// unknown, and drops those that an answer contradicts: when none is left, the
// store is wrong. Each run is in a bubble of package synctest: time costs
// nothing, a hang is noticed, and so is a goroutine that outlives its store.
// With one worker the store comes to rest after every answer, so that a seed
// replays the same run but for the order of Pebble's background work.

// campaign is one seed's run.
type campaign struct {
	seed    uint64
	rng     *rand.Rand
	tamper  tamper
	mem     *vfs.MemFS
	disk    *disk
	db      *DB
	workers []*worker
	hits    faultCounts
	answers answerCounts
	story   []string // what happened to the disk, for people
}

func (c *campaign) tell(format string, args ...any) {
	c.story = append(c.story, fmt.Sprintf(format, args...))
}

// tamper breaks the store on purpose, for the negative controls.
type tamper struct {
	wrap        func(vfs.FS) vfs.FS
	disableSync bool
	answer      func(error) error
	keyed       func(a *ask) // replaces how requests with a key run
}

// answerCounts counts what the campaign saw, so that a run that saw too little
// does not pass.
type answerCounts struct{ success, refused, unknown, afterFailure, repeated, lives, failedOpens int }

func (c *answerCounts) add(o answerCounts) {
	c.success += o.success
	c.refused += o.refused
	c.unknown += o.unknown
	c.afterFailure += o.afterFailure
	c.repeated += o.repeated
	c.lives += o.lives
	c.failedOpens += o.failedOpens
}

// worker is one caller, with keys of its own.
type worker struct {
	c      *campaign
	id     int
	rng    *rand.Rand
	prefix string
	drawn  []string // keys that are used
	keys   []string // and the one that counts
	// live are the worlds that answers of the running store can come from,
	// disk those that it can be opened in. They differ while the store is not
	// known to have become durable.
	live, disk worlds

	asked   int
	waiting []*ask            // requests with a key that have had no success yet
	done    []*ask            // those that had
	full    map[string]string // their first results, with times
	trace   []string
	answers answerCounts
}

func newCampaign(seed uint64, workers int, tamper tamper) *campaign {
	c := &campaign{seed: seed, rng: rand.New(rand.NewPCG(seed, 21)), tamper: tamper,
		mem: vfs.NewCrashableMem(), hits: faultCounts{}}
	for i := range workers {
		w := &worker{c: c, id: i, rng: rand.New(rand.NewPCG(seed, uint64(100+i))), full: map[string]string{}}
		if workers > 1 {
			w.prefix = fmt.Sprintf("w%d", i)
		}
		w.drawn = campaignKeys(w.prefix)
		w.keys = append(slices.Clone(w.drawn), w.prefix+"count")
		w.disk = newWorlds(w.keys)
		c.workers = append(c.workers, w)
	}
	return c
}

// run lives a few lives and a last one on a good disk. It returns the first
// violation.
func (c *campaign) run() error {
	for life := range 3 + c.rng.IntN(3) {
		if err := c.life(drawFault(c.rng), 6+c.rng.IntN(20)); err != nil {
			return fmt.Errorf("life %d: %w", life+1, err)
		}
	}
	for range 2 {
		if err := c.lastLife(); err != nil {
			return fmt.Errorf("on a good disk at last: %w", err)
		}
	}
	return nil
}

func (c *campaign) life(plan *fault, asks int) (err error) {
	c.answers.lives++
	c.disk = newDisk(c.mem, rand.New(rand.NewPCG(c.rng.Uint64(), 1)), nil)
	early := c.rng.IntN(3) == 0
	c.tell("life with %v (from the beginning: %v)", plan, early)
	defer func() {
		c.hits.add(c.disk.hits)
	}()
	if early {
		c.disk.plan = plan
	}
	if err := c.open(); err != nil {
		return err
	}
	c.disk.ready(plan)
	err = c.work(asks)
	if cerr := c.end(); err == nil {
		err = cerr
	}
	return err
}

// open opens the store on a disk that may fail, and, when it does, on one that
// does not.
func (c *campaign) open() error {
	for attempt := 0; ; attempt++ {
		o := &Options{fs: c.disk.fs(), segment: [...]int64{8 << 10, 64 << 10}[c.rng.IntN(2)], MemTableBytes: 64 << 10,
			HistoryRevisions: -1, disableSync: c.tamper.disableSync}
		o.RowCacheBytes = [...]int64{1, 64 << 20}[c.rng.IntN(2)]
		o.forceSlow = c.rng.IntN(4) == 0
		if c.tamper.wrap != nil {
			o.fs = c.tamper.wrap(o.fs)
		}
		var err error
		within("Open", func() { c.db, err = open("db", o) })
		if err == nil {
			break
		}
		c.answers.failedOpens++
		c.tell("open: %v", err)
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeStorage || e.Outcome != NotApplied {
			return fmt.Errorf("open: %w, want code storage and not applied", err)
		}
		if c.disk.crashed() {
			c.mem = c.disk.image
			c.hits.add(c.disk.hits)
			c.disk = newDisk(c.mem, c.disk.rng, nil)
		} else if attempt > 0 {
			c.disk.heal()
		}
		if attempt > 2 {
			return fmt.Errorf("open on a good disk: %w", err)
		}
	}
	for _, w := range c.workers {
		w.disk = w.disk.reopened(w.keys)
		w.live = w.disk
	}
	return nil
}

// work lets every worker look at everything, send again what has had no success
// yet, and then ask on.
func (c *campaign) work(asks int) error {
	errs := make([]error, len(c.workers))
	together(len(c.workers), func(i int) {
		w := c.workers[i]
		errs[i] = w.work(asks)
		if errs[i] != nil && len(w.trace) > 0 {
			errs[i] = fmt.Errorf("worker %d: %w\n%s", i, errs[i], strings.Join(w.trace[max(0, len(w.trace)-12):], "\n"))
		}
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// end ends a life: by the crash that has come, by a power failure, or by Close,
// which may meet the fault too.
func (c *campaign) end() error {
	how := c.rng.IntN(4)
	var image *vfs.MemFS
	if how == 0 && !c.disk.crashed() {
		image = powerFailure(c.mem, c.rng)
	}
	sound := c.db.node.Err() == nil
	var err error
	within("Close", func() { err = c.db.Close() })
	c.disk.mu.Lock()
	defer c.disk.mu.Unlock()
	c.tell("struck: %v, crashed: %v, store: %v; close: %v; end %d", c.disk.hit, c.disk.dead, c.db.node.Err(), err, how)
	switch {
	case image != nil:
		c.mem = image
	case c.disk.dead:
		c.mem = c.disk.image
	case sound && !c.disk.hit && err != nil:
		return fmt.Errorf("close on a good disk: %w", err)
	case how == 1:
		c.mem = powerFailure(c.mem, c.rng)
	}
	return nil
}

// lastLife opens the store on a good disk: everything has to be as it should,
// and every request to succeed.
func (c *campaign) lastLife() error {
	c.disk = newDisk(c.mem, rand.New(rand.NewPCG(c.rng.Uint64(), 1)), nil)
	if err := c.open(); err != nil {
		return err
	}
	err := c.work(0)
	applied := int64(0)
	for _, w := range c.workers {
		if err == nil && len(w.waiting) > 0 {
			err = fmt.Errorf("worker %d: %d requests without success", w.id, len(w.waiting))
		}
		if err == nil { // the worlds left, if several, differ in nothing that can be asked for
			if rows := w.live[0].model.Store.History(script.Persistent, w.prefix+"count"); len(rows) > 0 {
				applied += rows[len(rows)-1].Revision + 1
			}
		}
	}
	if err == nil {
		var e Entry
		if e, _, err = c.db.Get(context.Background(), "shared"); err == nil && len(c.workers) > 1 && e.Revision+1 != applied {
			err = fmt.Errorf("%d scripts counted themselves, %d were applied", e.Revision+1, applied)
		}
	}
	var cerr error
	within("Close", func() { cerr = c.db.Close() })
	return errors.Join(err, cerr)
}

// within runs f, and panics when it hangs: everything else would wait for it.
func within(what string, f func()) {
	timer := time.AfterFunc(time.Hour, func() { panic(what + " hangs") }) // of the bubble's time
	defer timer.Stop()
	f()
}

func (w *worker) work(asks int) error {
	if err := w.do(everything(w.disk, w.keys)); err != nil {
		return err
	}
	for _, a := range slices.Clone(w.waiting) {
		if err := w.send(a); err != nil {
			return err
		}
	}
	if len(w.done) > 0 {
		if err := w.send(w.done[w.rng.IntN(len(w.done))]); err != nil {
			return err
		}
	}
	late := 0
	for range asks {
		if w.c.disk.crashed() {
			return nil
		}
		if w.c.db.node.Err() != nil {
			if late++; late > 6 {
				return nil
			}
		}
		a := w.draw()
		if a.key != "" {
			w.waiting = append(w.waiting, a)
		}
		if err := w.send(a); err != nil {
			return err
		}
		if len(w.live) > 6 {
			if err := w.do(everything(w.live, w.keys)); err != nil {
				return err
			}
		}
	}
	return nil
}

// draw draws the next thing to ask.
func (w *worker) draw() *ask {
	w.asked++
	count := ""
	if len(w.c.workers) > 1 && w.rng.IntN(2) == 0 {
		count = fmt.Sprintf("set shared to_int(get shared) + 1 set '%scount' %d ", w.prefix, w.asked)
	}
	choose := func(_ string, n int) int { return w.rng.IntN(n) }
	switch w.rng.IntN(10) {
	case 0, 1:
		return drawCall(w.rng, w.drawn)
	case 2:
		return drawTx(w.rng, w.drawn, count)
	case 3, 4, 5:
		a := scriptAsk(count+drawScript(choose, w.prefix), fmt.Sprintf("%s-%d", w.prefix, w.asked))
		if w.c.tamper.keyed != nil {
			w.c.tamper.keyed(a)
		}
		return a
	case 6:
		return scriptAsk(count+"sleep 1 "+drawScript(choose, w.prefix), "")
	}
	return scriptAsk(count+drawScript(choose, w.prefix), "")
}

// send asks a; what has an idempotency key again at once when it fails, and
// sometimes again when it has succeeded.
func (w *worker) send(a *ask) error {
	if err := w.do(a); err != nil || a.key == "" {
		return err
	}
	if slices.Contains(w.waiting, a) || w.rng.IntN(3) == 0 {
		return w.do(a)
	}
	return nil
}

// do asks a once and holds the answer against the worlds.
func (w *worker) do(a *ask) error {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if w.rng.IntN(3) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Second)
	}
	defer cancel()
	failedBefore := w.c.db.node.Err() != nil
	logBroken := w.c.disk.struck("segment", "write", "sync")
	var got string
	var err error
	within(a.what, func() { got, err = a.run(ctx, w.c.db) })
	if err != nil && w.c.tamper.answer != nil {
		err = w.c.tamper.answer(err)
	}
	crashed := w.c.disk.crashed()
	failed := w.c.db.node.Err() != nil
	if len(w.c.workers) == 1 {
		synctest.Wait()
	}
	shown := a.what
	if a.key != "" {
		shown = a.key + ": " + shown
	}
	if len(shown) > 600 {
		shown = shown[:600] + "..."
	}
	if answer := got; len(answer) > 300 {
		w.trace = append(w.trace, fmt.Sprintf("%s\n   -> %s... %v", shown, answer[:300], err))
	} else {
		w.trace = append(w.trace, fmt.Sprintf("%s\n   -> %s %v", shown, answer, err))
	}
	if crashed {
		// Whoever asked has gone with the machine.
		w.live, w.disk = w.live.maybe(a, w.keys), w.disk.maybe(a, w.keys)
		return nil
	}
	var e *Error
	switch {
	case err != nil && !errors.As(err, &e):
		return fmt.Errorf("%v is no *Error", err)
	case e != nil && (e.Code == CodeOutcomeUnknown) != (e.Outcome == Unknown) || e != nil && e.Outcome == Applied:
		return fmt.Errorf("code %s with outcome %s", e.Code, e.Outcome)
	case e != nil && e.Outcome == Unknown:
		w.answers.unknown++
		if a.reads {
			return fmt.Errorf("the outcome of a read is unknown: %w", err)
		}
		w.live, w.disk = w.live.maybe(a, w.keys), w.disk.maybe(a, w.keys)
		return nil
	case e != nil && isOutside(e.Code):
		w.answers.refused++
		return w.notApplied(a)
	case failed && a.usesEphemeral():
		// Ephemeral rows that depended on a lost write are gone, so the answer
		// can not be compared. Nor is it known whether it was before that.
		if !failedBefore {
			w.live, w.disk = w.live.maybe(a, w.keys), w.disk.maybe(a, w.keys)
		}
		return nil
	}
	// What is written to memory alone may be answered between the fault and the
	// store's hearing of it.
	return w.answered(a, got, err, failed, failedBefore || logBroken && !a.usesEphemeral())
}

// isOutside reports whether an error comes from outside of the script.
func isOutside(code Code) bool {
	switch code {
	case CodeStorage, CodeCanceled, CodeTimeout, CodeClosed, CodeRetry, CodeConflict:
		return true
	}
	return false
}

// notApplied holds "not applied" against what is known of earlier sendings.
func (w *worker) notApplied(a *ask) error {
	if a.key == "" {
		return nil
	}
	applied := func(o *world) bool { _, ok := o.answers[a.key]; return ok }
	w.live, w.disk = slices.DeleteFunc(slices.Clone(w.live), applied), slices.DeleteFunc(slices.Clone(w.disk), applied)
	if len(w.live) == 0 || len(w.disk) == 0 {
		return errors.New("not applied, it says, but it was")
	}
	return nil
}

func (w *worker) answered(a *ask, got string, err error, failed, refuses bool) error {
	w.answers.success++
	if failed {
		w.answers.afterFailure++
	}
	before := w.live
	next := w.live.answered(a, got, w.keys)
	if len(next) == 0 {
		return w.contradiction(a, got)
	}
	wrote := err == nil
	for _, o := range next {
		wrote = wrote && !before.has(o)
	}
	if refuses && wrote {
		return errors.New("a write succeeded after a failed one")
	}
	w.live = next
	if a.key != "" && err != nil { // the script's own error: it is given up
		w.waiting = slices.DeleteFunc(w.waiting, func(o *ask) bool { return o == a })
	}
	if a.key != "" && err == nil {
		if first, ok := w.full[a.key]; ok && first != a.exact {
			return fmt.Errorf("the first result was %.300s, now it is %.300s", first, a.exact)
		}
		w.full[a.key] = a.exact
		if slices.Contains(w.waiting, a) {
			w.waiting = slices.DeleteFunc(w.waiting, func(o *ask) bool { return o == a })
			w.done = append(w.done, a)
		} else {
			w.answers.repeated++
		}
	}
	if failed && !wrote {
		return nil // what is on disk may be more than what can be read
	}
	if w.disk = w.disk.answered(a, got, w.keys); len(w.disk) == 0 {
		return w.contradiction(a, got)
	}
	return nil
}

func (w *worker) contradiction(a *ask, got string) error {
	want := ""
	for _, o := range w.live {
		answer, _ := o.after(a, w.keys)
		i := 0
		for i < len(answer) && i < len(got) && answer[i] == got[i] {
			i++
		}
		cut := func(s string) string {
			return fmt.Sprintf("%q", s[max(0, i-80):min(len(s), i+160)])
		}
		want += fmt.Sprintf("\n  %s, as far as they agree, but the store says\n  %s", cut(answer), cut(got))
	}
	return fmt.Errorf("asked %.200q; the model says%s", a.what, want)
}

// runCampaign runs one seed in a bubble.
func runCampaign(t *testing.T, seed uint64, workers int, tamper tamper) (c *campaign, violation error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c = newCampaign(seed, workers, tamper)
		if violation = c.run(); violation != nil {
			violation = fmt.Errorf("%w\n%s", violation, strings.Join(c.story, "\n"))
		}
	})
	for _, w := range c.workers {
		c.answers.add(w.answers)
	}
	return c, violation
}

// TestFaults runs the campaign with one caller. The long form is
//
//	go test -run 'TestFaults$' -seeds 5000 -timeout 1h .
func TestFaults(t *testing.T) { testFaults(t, 60, 1) }

// TestFaultsTogether does the same with several callers at once. A seed fixes
// what they ask, not who comes first.
func TestFaultsTogether(t *testing.T) { testFaults(t, 12, 4) }

func testFaults(t *testing.T, few, workers int) {
	seeds := crashSeeds(t, few)
	hits := faultCounts{}
	var answers answerCounts
	for _, seed := range seeds {
		c, err := runCampaign(t, seed, workers, tamper{})
		if err != nil {
			t.Errorf("seed %d: %v\nreplay: go test -run '%s$' -seed %d .", seed, err, t.Name(), seed)
		}
		hits.add(c.hits)
		answers.add(c.answers)
	}
	modes := hits.by(func(m mode, _ class) string { return string(m) })
	files := hits.by(func(_ mode, c class) string { return c.file })
	t.Logf("%+v", answers)
	t.Logf("faults that struck, by what they did: %v", modes)
	t.Logf("faults that struck, by file: %v", files)
	t.Logf("faults that struck, by operation and file: %v", hits.by(func(_ mode, c class) string { return c.op + " " + c.file }))
	if len(seeds) >= 60 { // fewer prove what they prove
		vacuous(t, hits, modes, files, answers, len(seeds))
	}
}

// vacuous fails the test when too little happened for its success to mean
// anything.
func vacuous(t *testing.T, hits faultCounts, modes, files map[string]int, answers answerCounts, seeds int) {
	for _, m := range []mode{failOnce, failOn, failLate, failTorn, diskFull, slowSync, crash, crashLate} {
		if modes[string(m)] == 0 {
			t.Errorf("vacuous: no fault of the kind %q struck", m)
		}
	}
	for _, file := range []string{"segment", "spare", "table", "manifest", "directory", "other"} {
		if files[file] == 0 {
			t.Errorf("vacuous: no fault struck a %s", file)
		}
	}
	total := 0
	for _, n := range hits {
		total += n
	}
	if total < 2*seeds {
		t.Errorf("vacuous: %d faults struck in %d seeds", total, seeds)
	}
	if a := answers; min(a.success, a.refused, a.unknown, a.afterFailure, a.repeated, a.failedOpens) < seeds/10 {
		t.Errorf("vacuous: %+v", a)
	}
}
