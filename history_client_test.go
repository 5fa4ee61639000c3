package kahuna

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"kahuna/internal/history"
)

// client is one of the goroutines that work on a store, one operation after
// another.
type client struct {
	run *historyRun
	no  int
	rng *rand.Rand
	// pending are requests of unknown outcome that can be sent again.
	pending []*listRequest
	// seen is what the client last saw of each register.
	seen map[string]Entry
}

func newClient(r *historyRun, no int) *client {
	return &client{run: r, no: no, rng: rand.New(rand.NewPCG(r.plan.seed, uint64(100+no))), seen: map[string]Entry{}}
}

// live works through one life of the store.
func (c *client) live(l *life) {
	pending := c.pending
	c.pending = nil
	for _, q := range pending {
		c.send(l, q) // its outcome may be unknown once more
	}
	for range c.run.plan.rounds {
		select {
		case <-l.stop:
			return
		default:
		}
		c.run.clock.tick(c.rng)
		if c.rng.IntN(5) < 3 {
			c.listTxn(l)
		} else {
			c.registerOp(l)
		}
	}
}

// context returns the context of an operation: now and then one that ends soon.
func (c *client) context() (context.Context, context.CancelFunc) {
	if c.rng.IntN(40) == 0 {
		return context.WithTimeout(context.Background(), time.Duration(c.rng.IntN(3))*time.Millisecond)
	}
	return context.WithCancel(context.Background())
}

// ttl draws a time to live in milliseconds, so that rows end while others look.
func (c *client) ttl(least, spread int64) int64 {
	if !c.run.plan.simulated {
		spread /= 4
	}
	return least + c.rng.Int64N(spread)
}

// linger lets others run.
func (c *client) linger() {
	for range c.rng.IntN(40) {
		runtime.Gosched()
	}
}

// expected are the codes of errors that are no surprise.
var expected = []Code{CodeThrow, CodeConflict, CodeTimeout, CodeCanceled, CodeClosed,
	CodeOutcomeUnknown, CodeRetry, CodeState}

// outcome says what became of an operation that ended with err.
func (c *client) outcome(what string, err error) history.Outcome {
	var e *Error
	switch {
	case err == nil:
		return history.Applied
	case !errors.As(err, &e) || !slices.Contains(expected, e.Code):
		c.run.problem("%s: unexpected error: %v", what, err)
	}
	switch {
	case e != nil && e.Outcome == NotApplied:
		return history.NotApplied
	case e != nil && e.Outcome == Applied:
		c.run.problem("%s: an error that says it was applied: %v", what, err)
	}
	return history.Unknown
}

// pathTags says which way a script of the run goes.
func (c *client) pathTags(source string, ephemeral bool) []string {
	var tags []string
	switch {
	case strings.Contains(source, "sleep"):
		tags = append(tags, "sleeps")
	case strings.Contains(source, pastBudget):
		tags = append(tags, "long")
	case !c.run.plan.forceSlow:
		tags = append(tags, "fast")
	}
	if strings.Contains(source, "ptr/") {
		tags = append(tags, "computed")
	}
	if ephemeral {
		return append(tags, "ephemeral")
	}
	return append(tags, "persistent")
}

// pastBudget is a loop of more steps than the executor grants.
const pastBudget = "for i in 1..2500 do let q = i end"

// interrupt draws what a script does between two of its commands.
func (c *client) interrupt(kind int) string {
	switch kind {
	case 1:
		return fmt.Sprintf("sleep %d\n", c.rng.IntN(3))
	case 2:
		return pastBudget + "\n"
	}
	return ""
}

// slowness draws how a script is kept from the fast path: 0 not at all, 1 it
// sleeps, 2 it takes long.
func (c *client) slowness() int {
	switch c.rng.IntN(12) {
	case 0, 1, 2:
		return 1
	case 3:
		return 2
	}
	return 0
}

// key writes the name of a row into a script: plainly, or so that it is known
// only while the script runs.
func (c *client) key(name string, computed bool) string {
	if computed {
		return "(get `ptr/" + name + "`)"
	}
	return "`" + name + "`"
}
