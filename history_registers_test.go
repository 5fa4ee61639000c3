package kahuna

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kahuna/internal/history"
	"kahuna/internal/register"
)

var registerNames = []string{"r/a", "r/b"}

// registerOp runs one operation on one register.
func (c *client) registerOp(l *life) {
	space := []string{"", "e"}[c.rng.IntN(2)]
	name := registerNames[c.rng.IntN(len(registerNames))]
	op := &register.Op{Process: c.no, Key: label(space, l.no, name)}
	switch c.rng.IntN(8) {
	case 0, 1, 2:
		c.registerCall(l, op, space, name)
	case 3, 4:
		c.registerTx(l, op, space, name)
	default:
		c.registerScript(l, op, space, name)
	}
}

// step draws a command.
func (c *client) step(op *register.Op) register.Step {
	verbs := [...]register.Verb{register.Get, register.Get, register.Get, register.Exists, register.Set, register.Set,
		register.Set, register.Extend, register.Delete}
	s := register.Step{Verb: verbs[c.rng.IntN(len(verbs))]}
	if s.Verb == register.Set {
		s.Value = fmt.Sprint("v", c.element())
		s.When = register.Condition(c.rng.IntN(5))
		known := c.seen[op.Key]
		s.Want, s.WantRev = known.Value, known.Revision
		if s.When == register.Cmp && s.Want == "" {
			s.When = register.Always
		}
	}
	if (s.Verb == register.Set || s.Verb == register.Extend) && c.rng.IntN(3) > 0 {
		s.TTL = c.ttl(2, 30)
	}
	return s
}

// record finishes an operation.
func (c *client) record(op *register.Op, space string, outcome history.Outcome) {
	op.Return = c.run.next()
	op.Outcome = outcome
	if outcome == history.Unknown {
		op.Return, op.From = history.Never, 0
	}
	for i := range op.Steps {
		s := &op.Steps[i]
		if outcome != history.Applied {
			s.Now = 0
		} else if s.Verb == register.Get && s.Done || s.Verb == register.Set {
			c.seen[op.Key] = Entry{Value: s.Got + s.Value, Revision: s.Rev}
		}
	}
	op.Tags = append(op.Tags, map[string]string{"": "persistent", "e": "ephemeral"}[space])
	c.run.recordOp(*op)
}

// registerCall runs a point call.
func (c *client) registerCall(l *life, op *register.Op, space, name string) {
	ctx, cancel := c.context()
	defer cancel()
	s := Space(l.db)
	if space == "e" {
		s = l.db.Ephemeral()
	}
	step := c.step(op)
	op.Tags = []string{"point"}
	op.Call = c.run.next()
	err := pointCall(ctx, &step, name, s.Get, s.Set, s.Delete, s.Extend)
	op.Steps = []register.Step{step}
	c.record(op, space, c.outcome("call", err))
}

// pointCall does what step says by the calls of a space, and fills in its
// answer.
func pointCall(ctx context.Context, step *register.Step, name string,
	get func(context.Context, string) (Entry, bool, error),
	set func(context.Context, string, string, *SetOptions) (WriteResult, error),
	del func(context.Context, string) (WriteResult, error),
	extend func(context.Context, string, time.Duration) (WriteResult, error)) error {
	ttl := time.Duration(step.TTL) * time.Millisecond
	var w WriteResult
	var err error
	switch step.Verb {
	case register.Get, register.Exists:
		step.Verb = register.Get
		var e Entry
		e, step.Done, err = get(ctx, name)
		step.Got, step.Rev, step.Expires = e.Value, e.Revision, unixMs(e.Expires)
		return err
	case register.Set:
		o := SetOptions{NX: step.When == register.NX, XX: step.When == register.XX, TTL: ttl}
		switch step.When {
		case register.Cmp:
			o.Equals = &step.Want
		case register.CmpRev:
			o.Revision = &step.WantRev
		}
		w, err = set(ctx, name, step.Value, &o)
	case register.Delete:
		w, err = del(ctx, name)
	case register.Extend:
		w, err = extend(ctx, name, ttl)
	}
	step.Done, step.Rev = w.Done, w.Revision
	if step.TTL > 0 {
		step.Expires = -1
	}
	return err
}

// registerTx runs an interactive transaction on a register: usually a read, and
// then a write.
func (c *client) registerTx(l *life, op *register.Op, space, name string) {
	ctx, cancel := c.context()
	defer cancel()
	steps := []register.Step{{Verb: register.Get}, c.step(op)}
	o := TxOptions{Optimistic: c.rng.IntN(2) == 0}
	op.Tags = []string{"locks"}
	if o.Optimistic {
		op.Tags = []string{"optimistic"}
	}
	op.Call = c.run.next()
	err := c.beginAndCommit(ctx, l.db, o, func(tx Tx) error {
		s := Space(tx)
		if space == "e" {
			s = tx.Ephemeral()
		}
		for i := range steps {
			c.linger()
			if err := pointCall(ctx, &steps[i], name, s.Get, s.Set, s.Delete, s.Extend); err != nil {
				return err
			}
		}
		provisional(steps)
		return nil
	})
	op.Steps = steps
	outcome := history.NotApplied
	if !errors.Is(err, errChangedMind) {
		outcome = c.outcome("transaction", err)
	}
	c.record(op, space, outcome)
}

// registerScript runs a script of one command or more.
func (c *client) registerScript(l *life, op *register.Op, space, name string) {
	ctx, cancel := c.context()
	defer cancel()
	k := c.key(name, c.rng.IntN(4) == 0)
	slow := c.slowness()
	for range 1 + c.rng.IntN(3) {
		op.Steps = append(op.Steps, c.step(op))
	}
	at := c.rng.IntN(len(op.Steps) + 1)
	var b strings.Builder
	returns := []string{"hlc()"}
	for i := range op.Steps {
		if i == at {
			b.WriteString(c.interrupt(slow))
		}
		fmt.Fprintf(&b, "let t%d = current_time(); let s%d = %s%s\n", i, i, space, command(&op.Steps[i], k))
		returns = append(returns, fmt.Sprint("t", i), fmt.Sprint("s", i))
	}
	if at == len(op.Steps) {
		b.WriteString(c.interrupt(slow))
	}
	failing := c.rng.IntN(15) == 0
	if failing {
		b.WriteString("throw 'on purpose'\n")
	}
	fmt.Fprintf(&b, "return [%s]", strings.Join(returns, ", "))
	op.Tags = c.pathTags(b.String(), space == "e")
	op.Tags = op.Tags[:len(op.Tags)-1] // record adds the space
	op.Call = c.run.next()
	res, err := l.db.Run(ctx, b.String(), nil, &RunOptions{Timeout: 30 * time.Second})
	outcome := c.outcome(b.String(), err)
	if outcome == history.Applied {
		if err := answers(op, res); err != nil {
			c.run.problem("%s: %v", b.String(), err)
			return
		}
		if slow > 0 || c.run.plan.forceSlow {
			provisional(op.Steps)
		}
	}
	c.record(op, space, outcome)
}

// provisional takes back the expiries that are not known before the commit:
// those of rows that the steps themselves have given a time to live.
func provisional(steps []register.Step) {
	own := false
	for i := range steps {
		s := &steps[i]
		own = own || s.Verb == register.Set || s.Verb == register.Extend
		if own && s.Done && s.Expires > 0 {
			s.Expires = -1
		}
	}
}

// command writes a step in the language.
func command(s *register.Step, key string) string {
	switch s.Verb {
	case register.Get:
		return "get " + key
	case register.Exists:
		return "exists " + key
	case register.Delete:
		return "delete " + key
	case register.Extend:
		return fmt.Sprintf("extend %s %d", key, s.TTL)
	}
	src := fmt.Sprintf("set %s '%s'", key, s.Value)
	switch s.When {
	case register.NX:
		src += " nx"
	case register.XX:
		src += " xx"
	case register.Cmp:
		src += fmt.Sprintf(" cmp '%s'", s.Want)
	case register.CmpRev:
		src += fmt.Sprintf(" cmprev %d", s.WantRev)
	}
	if s.TTL > 0 {
		src += fmt.Sprintf(" ex %d", s.TTL)
	}
	return src
}

// answers fills in what the script returned.
func answers(op *register.Op, res *Result) error {
	if len(res.Entries) != 1+2*len(op.Steps) {
		return fmt.Errorf("%d values were returned", len(res.Entries))
	}
	var err error
	if op.From, err = strconv.ParseInt(res.Entries[0].Value, 10, 64); err != nil {
		return err
	}
	for i := range op.Steps {
		s := &op.Steps[i]
		if s.Now, err = strconv.ParseInt(res.Entries[1+2*i].Value, 10, 64); err != nil {
			return err
		}
		e := &res.Entries[2+2*i]
		s.Rev, s.Expires = e.Revision, unixMs(e.Expires)
		if s.Verb == register.Get {
			s.Done, s.Got = e.Kind != KindNull, e.Value
		} else {
			s.Done = e.Value == "true"
		}
	}
	return nil
}

// finalRegister reads a register once all clients have ended.
func (c *client) finalRegister(l *life, space, name string) {
	op := &register.Op{Process: c.no, Key: label(space, l.no, name), Steps: []register.Step{{Verb: register.Get}}}
	op.Call = c.run.next()
	res, err := l.db.Run(context.Background(), fmt.Sprintf("let t = current_time(); let s = %sget `%s`; return [hlc(), t, s]", space, name), nil, nil)
	outcome := c.outcome("the last read", err)
	if outcome == history.Applied {
		if err := answers(op, res); err != nil {
			c.run.problem("the last read: %v", err)
			return
		}
	}
	c.record(op, space, outcome)
}
