package spec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"kahuna/internal/console"
	"kahuna/script"
)

// caseTimeout ends a case whose store does not answer.
const caseTimeout = time.Minute

// aboutMs is how far from the mark a time written with a tilde may be, beside
// the time the script itself took.
const aboutMs = 250

// RunCase runs one case on an empty store and returns what differs, nil when
// all is as wanted. Errors begin with the place in the case's file.
func RunCase(ctx context.Context, c *Case, run Runner) error {
	ctx, cancel := context.WithTimeout(ctx, caseTimeout)
	defer cancel()
	l := &look{ctx: ctx, run: run}
	now, err := l.now()
	if err != nil {
		return fmt.Errorf("%s:%d: %w", c.File, c.Line, err)
	}
	times := Times{"now": now}
	if err := establish(ctx, run, c.Given, times); err != nil {
		return fmt.Errorf("%s:%d: %w", c.File, c.Line, err)
	}
	for i := range c.Steps {
		if err := l.step(&c.Steps[i], times); err != nil {
			return fmt.Errorf("%s:%d: %w", c.File, c.Steps[i].Line, err)
		}
	}
	return nil
}

func (l *look) step(s *Step, times Times) error {
	switch {
	case s.Wait > 0:
		return l.run.Wait(l.ctx, s.Wait)
	case s.Mark != "":
		return l.mark(s.Mark, times)
	}
	req := Request{Source: s.Source, IdempotencyKey: s.Key}
	var err error
	if req.Params, err = expandParams(s.Params, times); err != nil {
		return err
	}
	var before []liveRow
	watch := s.Want.Code != ""
	if watch {
		if before, watch, err = l.live(); err != nil {
			return err
		}
	}
	res := l.run.Run(l.ctx, req)
	to, err := l.now()
	if err != nil {
		return err
	}
	// A time to live may be as old as the case: given rows have theirs.
	from := times["now"]
	if err := l.answer(s, res, times, from, to); err != nil {
		return fmt.Errorf("%w\nanswer: %s", err, describe(res))
	}
	if s.Twice {
		again := l.run.Run(l.ctx, req)
		if err := sameAnswer(res, again); err != nil {
			return fmt.Errorf("sent again: %w\nanswer: %s", err, describe(again))
		}
	}
	if watch {
		after, _, err := l.live()
		if err != nil {
			return err
		}
		if err := sameRows(before, after, to); err != nil {
			return fmt.Errorf("the script failed, yet the store changed: %w", err)
		}
	}
	return l.state(&s.Want, times, from)
}

// mark remembers a time that lies after everything done so far and before
// everything done later, by at least a millisecond.
func (l *look) mark(name string, times Times) error {
	if err := l.run.Wait(l.ctx, 2*time.Millisecond); err != nil {
		return err
	}
	now, err := l.now()
	if err != nil {
		return err
	}
	times[name] = now
	return l.run.Wait(l.ctx, 2*time.Millisecond)
}

func expandParams(params []Param, times Times) (map[string]any, error) {
	if len(params) == 0 {
		return nil, nil
	}
	m := make(map[string]any, len(params))
	for _, p := range params {
		m[p.Name] = p.Value
		if text, ok := p.Value.(string); ok {
			var err error
			if m[p.Name], _, err = times.Expand(text); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

// answer compares a response with what is wanted.
func (l *look) answer(s *Step, res Response, times Times, from, to int64) error {
	w := &s.Want
	if err := wellFormed(s, res); err != nil {
		return err
	}
	if w.Console != nil {
		if err := consoleMatches(*w.Console, res); err != nil {
			return err
		}
	}
	if w.Code != "" {
		if res.Err == nil {
			return fmt.Errorf("want the error %s", w.Code)
		}
		var e *script.Error
		errors.As(res.Err, &e)
		if err := errorMatches(w, e); err != nil {
			return err
		}
		return warningsMatch(w, e.Warnings)
	}
	if res.Err != nil {
		return errors.New("want a success")
	}
	return resultMatches(w, res.Result, times, from, to)
}

// wellFormed checks what holds of every answer.
func wellFormed(s *Step, res Response) error {
	if res.Err == nil {
		switch r := res.Result; {
		case r == nil:
			return errors.New("neither result nor error")
		case !r.Type.Success():
			return fmt.Errorf("a result of type %s without an error", r.Type)
		case r.Outcome != script.Applied:
			return fmt.Errorf("a success with outcome %s", r.Outcome)
		case r.Elapsed < 0:
			return fmt.Errorf("elapsed %s", r.Elapsed)
		}
		return nil
	}
	var e *script.Error
	switch {
	case res.Result != nil:
		return errors.New("a result and an error")
	case !errors.As(res.Err, &e):
		return fmt.Errorf("the error is a %T, not a *script.Error", res.Err)
	case e.Code == "" || e.Message == "" && e.Code != script.CodeThrow:
		return errors.New("an error without code or message")
	case e.Outcome != script.NotApplied && e.Code != script.CodeOutcomeUnknown:
		return fmt.Errorf("a failure with outcome %s", e.Outcome)
	case e.Line < 0 || e.Column < 0 || e.Line > 1+strings.Count(lineEnds.Replace(s.Source), "\n"):
		return fmt.Errorf("position %d:%d is outside the source", e.Line, e.Column)
	case e.Line > 0 && e.Code != script.CodeThrow && e.Column == 0:
		return errors.New("a line without a column")
	case e.Code == script.CodeSyntax && !strings.Contains(e.Message, "Syntax error"):
		return fmt.Errorf("message %q does not say 'Syntax error'", e.Message)
	}
	return nil
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func errorMatches(w *Want, e *script.Error) error {
	if e.Code != w.Code {
		return fmt.Errorf("code %s, want %s", e.Code, w.Code)
	}
	if w.Line > 0 && e.Line != w.Line || w.Column > 0 && e.Column != w.Column {
		return fmt.Errorf("at %d:%d, want %d:%d", e.Line, e.Column, w.Line, w.Column)
	}
	if w.Reason != nil && e.Reason() != *w.Reason {
		return fmt.Errorf("reason %q, want %q", e.Reason(), *w.Reason)
	}
	for _, says := range w.Says {
		if !strings.Contains(e.Text(), says) {
			return fmt.Errorf("%q does not say %q", e.Text(), says)
		}
	}
	return nil
}

func resultMatches(w *Want, r *script.Result, times Times, from, to int64) error {
	if w.Op != nil && r.Op != *w.Op {
		return fmt.Errorf("op %q, want %q", r.Op, *w.Op)
	}
	if w.Type != nil {
		if r.Type != *w.Type {
			return fmt.Errorf("type %s, want %s", r.Type, *w.Type)
		}
		// A type alone, of a command that always has one entry, says
		// nothing of it.
		if len(w.Entries) == 0 && r.Type != script.TypeGet && r.Type != script.TypeCommitted && r.Op != script.OpBucket && r.Op != script.OpScan {
			return warningsMatch(w, r.Warnings)
		}
		if len(r.Entries) != len(w.Entries) {
			return fmt.Errorf("%d entries, want %d", len(r.Entries), len(w.Entries))
		}
		for i, e := range w.Entries {
			if err := entryMatches(e, r.Entries[i], times, from, to); err != nil {
				return fmt.Errorf("entry %d: %w", i+1, err)
			}
		}
	}
	return warningsMatch(w, r.Warnings)
}

// entryMatches compares an entry. A time to live is measured from when it was
// given, which was between from and to.
func entryMatches(w Entry, e script.Entry, times Times, from, to int64) error {
	if e.Key != w.Key {
		return fmt.Errorf("key %q, want %q", e.Key, w.Key)
	}
	if e.HasValue == w.Null {
		return fmt.Errorf("has a value: %v, want %v", e.HasValue, !w.Null)
	}
	value, about, err := times.Expand(w.Value)
	if err != nil {
		return err
	}
	if about {
		err = aboutMatches(e.Value, value, to-from)
	} else if !w.Null && e.Value != value {
		err = fmt.Errorf("value %q, want %q", e.Value, value)
	}
	if err != nil {
		return err
	}
	if e.Revision != w.Revision {
		return fmt.Errorf("revision %d, want %d", e.Revision, w.Revision)
	}
	if w.Modified != nil && (e.Modified != 0) != *w.Modified {
		return fmt.Errorf("modified %d", e.Modified)
	}
	switch {
	case !w.HasTTL:
	case w.TTL == 0 && e.Expires != 0:
		return fmt.Errorf("expires %d ms from now, want never", e.Expires-to)
	case w.TTL != 0 && (e.Expires < from+w.TTL || e.Expires > to+w.TTL):
		return fmt.Errorf("expires %d to %d ms after the script, want %d", e.Expires-to, e.Expires-from, w.TTL)
	}
	return nil
}

func aboutMatches(got, want string, took int64) error {
	g, err := strconv.ParseInt(got, 10, 64)
	if err != nil {
		return fmt.Errorf("value %q is no time", got)
	}
	w, err := strconv.ParseInt(want, 10, 64)
	if err == nil && (g < w-aboutMs || g > w+took+aboutMs) {
		err = fmt.Errorf("the time %d is %d ms from the one wanted", g, g-w)
	}
	return err
}

func warningsMatch(w *Want, warnings []script.Warning) error {
	if w.Warnings == nil {
		return nil
	}
	if len(warnings) != len(*w.Warnings) {
		return fmt.Errorf("%d warnings, want %d: %+v", len(warnings), len(*w.Warnings), warnings)
	}
	for i, want := range *w.Warnings {
		got := warnings[i]
		if want.Line > 0 && got.Line != want.Line || want.Column > 0 && got.Column != want.Column || !strings.Contains(got.Text, want.Says) {
			return fmt.Errorf("warning %+v, want %+v", got, want)
		}
	}
	return nil
}

// consoleMatches compares with what the console prints; "*ms" is the time.
func consoleMatches(want string, res Response) error {
	var b bytes.Buffer
	if err := console.Render(&b, res.Result, res.Err, 7*time.Millisecond); err != nil {
		return err
	}
	want = strings.ReplaceAll(want, "*ms", "7ms") + "\n"
	if b.String() != want {
		return fmt.Errorf("the console prints:\n%swant:\n%s", b.String(), want)
	}
	return nil
}

// sameAnswer tells how the repeat of a request with an idempotency key
// differs from the first.
func sameAnswer(first, again Response) error {
	if (first.Err == nil) != (again.Err == nil) {
		return errors.New("one answer is an error")
	}
	if first.Err != nil {
		if first.Err.Error() != again.Err.Error() {
			return fmt.Errorf("%q, at first %q", again.Err, first.Err)
		}
		return nil
	}
	a, b := first.Result, again.Result
	if b == nil || a.Type != b.Type || a.Op != b.Op || a.Outcome != b.Outcome || len(a.Entries) != len(b.Entries) ||
		len(a.Entries) > 0 && !reflect.DeepEqual(a.Entries, b.Entries) {
		return errors.New("another result")
	}
	return nil
}

// state compares the rows afterwards.
func (l *look) state(w *Want, times Times, from int64) error {
	live := 0
	for _, r := range w.State {
		if err := l.row(r, times, from); err != nil {
			return err
		}
		if !r.Deleted && !r.Expired && !r.Absent {
			live++
		}
	}
	if !w.Only {
		return nil
	}
	rows, ok, err := l.live()
	if err == nil && (!ok || len(rows) != live) {
		err = fmt.Errorf("%d live rows, want %d: %v", len(rows), live, rows)
	}
	return err
}

func describe(res Response) string {
	if res.Err != nil {
		var e *script.Error
		if errors.As(res.Err, &e) {
			return fmt.Sprintf("%s %d:%d %s", e.Code, e.Line, e.Column, e.Text())
		}
		return res.Err.Error()
	}
	if res.Result == nil {
		return "none"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s op=%q", res.Result.Type, res.Result.Op)
	for _, e := range res.Result.Entries {
		b.WriteString(" [" + entryText(e) + "]")
	}
	return b.String()
}

func entryText(e script.Entry) string {
	value := "null"
	if e.HasValue {
		value = fmt.Sprintf("%q", e.Value)
		if len(value) > 200 {
			value = value[:200] + "..."
		}
	}
	return fmt.Sprintf("%s %s r%d expires %d", e.Key, value, e.Revision, e.Expires)
}
