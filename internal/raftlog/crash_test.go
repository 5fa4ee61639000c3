package raftlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// image is the disk after a crash, and what it must show.
type image struct {
	fs   *vfs.MemFS
	want *snapshot
	at   string
}

// camera takes crash images of a disk while a model's writes go to it.
type camera struct {
	fs    *vfs.MemFS
	model *model

	mu     sync.Mutex
	rng    *rand.Rand
	images []image
}

// shoot takes one image with a random part of what is not synced.
func (c *camera) shoot(at string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &snapshot{}
	// What is acknowledged before the crash must be there; what is appended
	// before it may be.
	c.model.mu.Lock()
	s.acked = c.model.acked
	c.model.mu.Unlock()
	percent := []int{0, 0, 20, 50, 80, 100}[c.rng.IntN(6)]
	fs := c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rng})
	c.model.mu.Lock()
	s.writes = slices.Clone(c.model.writes)
	c.model.mu.Unlock()
	c.images = append(c.images, image{fs, s, fmt.Sprintf("%s, %d%% of the rest", at, percent)})
}

// work appends random writes of several groups in bursts, and compacts.
func (m *model) work(l *Log, rng *rand.Rand, steps int, failed func(error)) {
	const groups = 4
	state := make(map[uint64]*modelGroup)
	for id := uint64(1); id <= groups; id++ {
		state[id] = &modelGroup{}
	}
	for _, w := range m.writes {
		state[w.Group].apply(&w)
	}
	for step := range steps {
		for range 1 + rng.IntN(4) {
			id := 1 + rng.Uint64N(groups)
			g := state[id]
			w := Write{Group: id}
			term := g.hs.term + uint64(rng.IntN(2))
			switch n := rng.IntN(100); {
			case n < 70:
				first := g.last + 1
				if low := g.mark + 1; first > low && rng.IntN(6) == 0 {
					first -= rng.Uint64N(first-low) + 1
					first = max(first, low)
				}
				w.HardState = hard(term+1, id, g.hs.commit)
				w.Entries = entries(first, term+1, 1+rng.IntN(5), fmt.Sprintf("%d%s", len(m.writes), strings.Repeat("x", rng.IntN(600))))
			case n < 80:
				w.HardState = hard(term+1, rng.Uint64N(3), g.hs.commit)
			case n < 90:
				w.HardState = hard(max(1, g.hs.term), g.hs.vote, g.hs.commit+1)
			case n < 94:
				w.Reset = Mark{g.last + 10, term + 1}
				w.HardState = hard(term+1, 0, g.last+10)
			case n < 96:
				w.Drop = true
			default:
				w.MustSync = true
			}
			g.apply(&modelWrite{Write: w})
			m.append(l, w, failed)
		}
		if rng.IntN(3) == 0 {
			m.wait(l)
		}
		if step%5 == 4 {
			m.wait(l)
			for id := range uint64(groups) {
				g := l.Group(id + 1)
				last, _ := g.LastIndex()
				first, _ := g.FirstIndex()
				if last >= first && rng.IntN(5) > 0 {
					to := first + rng.Uint64N(last-first+1)
					m.compact(id+1, to)
					state[id+1].mark = to
					if err := g.Compact(to); err != nil && !errors.Is(err, ErrFailed) {
						failed(err)
					}
				}
			}
		}
	}
	m.wait(l)
}

// wait returns when all that was appended is done.
func (m *model) wait(l *Log) {
	done := make(chan struct{})
	l.Append(Write{Group: 1, Done: func(error) { close(done) }})
	<-done
}

// crashRun works on a log, with crashes around every sync and every change of
// the directory, and returns what the images showed wrong.
func crashRun(t *testing.T, seed uint64, opts Options, work func(*model, *Log, *rand.Rand)) (images int, stats Stats, wrong []error) {
	mem := vfs.NewCrashableMem()
	m := &model{}
	c := &camera{fs: mem, model: m, rng: rand.New(rand.NewPCG(seed, 1))}
	fs := &hookFS{FS: mem,
		before: func(o op, path string) error {
			if o == opSync || o == opRename || o == opRemove {
				c.shoot(fmt.Sprintf("before %s of %s", o, path))
			}
			return nil
		},
		after: func(o op, path string) {
			if o == opSync || o == opRename || o == opRemove {
				c.shoot(fmt.Sprintf("after %s of %s", o, path))
			}
		},
	}
	opts.FS = fs
	l := openTest(t, opts)
	work(m, l, rand.New(rand.NewPCG(seed, 2)))
	stats = l.Stats()
	closeLog(t, l)

	for _, img := range c.images {
		if err := img.check(); err != nil {
			wrong = append(wrong, fmt.Errorf("crash %s: %w", img.at, err))
		}
	}
	return len(c.images), stats, wrong
}

// check opens an image, compares, writes a little, crashes again and compares
// again: what Open showed must stay.
func (img *image) check() error {
	l, err := Open(testOptions(Options{FS: img.fs}))
	if err != nil {
		return err
	}
	if err := img.want.check(l); err != nil {
		return errors.Join(err, l.Close())
	}
	shown := show(l)
	again := crash(img.fs)
	if err := appendWait(l, Write{Group: 99, HardState: hard(1, 1, 1)}); err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	if l, err = Open(testOptions(Options{FS: again})); err != nil {
		return fmt.Errorf("second crash: %w", err)
	}
	defer l.Close()
	if got := show(l); got != shown {
		return fmt.Errorf("second crash: got %s, want %s", got, shown)
	}
	return nil
}

// show returns the state of all groups as text.
func show(l *Log) string {
	var b strings.Builder
	for _, id := range l.Groups() {
		g := l.Group(id)
		hs, _, _ := g.InitialState()
		first, _ := g.FirstIndex()
		last, _ := g.LastIndex()
		fmt.Fprintf(&b, "%d: %v (%d,%d]", id, hardStateOf(hs), first, last)
		if first <= last {
			ents, err := g.Entries(first, last+1, ^uint64(0))
			fmt.Fprint(&b, err)
			for _, e := range ents {
				fmt.Fprintf(&b, " %d %d %s", e.GetIndex(), e.GetTerm(), e.GetData())
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestCrash is the test of LOG-1.
func TestCrash(t *testing.T) {
	images, gone := 0, uint64(0)
	for seed := range uint64(6) {
		n, stats, wrong := crashRun(t, seed, Options{}, randomWork(t))
		for _, err := range wrong {
			t.Errorf("seed %d: %v", seed, err)
		}
		images += n
		gone += stats.SegmentsGone
	}
	// A run that did too little proves nothing.
	if images < 500 || gone < 10 {
		t.Fatalf("only %d images, %d segments gone", images, gone)
	}
	t.Logf("%d crashes, %d segments gone", images, gone)
}

func randomWork(t *testing.T) func(*model, *Log, *rand.Rand) {
	return func(m *model, l *Log, rng *rand.Rand) {
		m.work(l, rng, 40, func(err error) { t.Error(err) })
	}
}

// TestCrashWithoutSync shows that TestCrash finds a log that does not sync.
func TestCrashWithoutSync(t *testing.T) {
	_, _, wrong := crashRun(t, 1, Options{DisableSync: true}, randomWork(t))
	if len(wrong) == 0 {
		t.Fatal("nothing wrong was found in a log that does not sync")
	}
}

// TestCrashWhileRecycling is TestCrash with segments that are all made of old
// ones, whose frames are still in them.
func TestCrashWhileRecycling(t *testing.T) {
	const rounds = 8
	_, stats, wrong := crashRun(t, 1, Options{}, func(m *model, l *Log, rng *rand.Rand) {
		index := uint64(0)
		for range rounds {
			for made := l.Stats().SegmentsMade; l.Stats().SegmentsMade == made; {
				index++
				w := Write{Group: 1, Entries: entries(index, 1, 1, strings.Repeat("x", 300+rng.IntN(900)))}
				m.append(l, w, func(err error) { t.Error(err) })
				m.wait(l)
			}
			// A segment was begun just now, so there is no other spare, and
			// all before it are not needed once this is done.
			m.compact(1, index)
			if err := l.Group(1).Compact(index); err != nil {
				t.Error(err)
			}
			l.janitor.awaitSpare()
		}
	})
	for _, err := range wrong {
		t.Error(err)
	}
	if stats.SegmentsGone < rounds || stats.Recycled < rounds-1 {
		t.Errorf("%+v", stats)
	}
}

// awaitSpare returns when there is a spare.
func (j *janitor) awaitSpare() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.spare == nil {
		j.cond.Wait()
	}
}
