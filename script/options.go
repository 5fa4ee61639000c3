package script

import (
	"strconv"

	"kahuna/script/check"
	"kahuna/script/syntax"
)

// Options are the options of a script's begin block; a script without one has
// AutoCommit and the defaults. See Call.Options.
type Options = check.Options

// Locking is what the locking option says.
type Locking = check.Locking

// The ways of locking (docs/language.md, "Transactions").
const (
	Pessimistic = check.Pessimistic
	Optimistic  = check.Optimistic
)

// Priority is the order of admission a script asks for.
type Priority = check.Priority

// The priorities. PriorityUnset leaves the choice to the request, which is
// PriorityNormal when it says nothing either.
const (
	PriorityUnset      = check.PriorityUnset
	PriorityBackground = check.PriorityBackground
	PriorityLow        = check.PriorityLow
	PriorityNormal     = check.PriorityNormal
	PriorityHigh       = check.PriorityHigh
	PriorityCritical   = check.PriorityCritical
)

// bindOptions sets the options whose values are placeholders; without such the
// options are those of the program.
func (c *Call) bindOptions(report func(code Code, pos syntax.Pos, message, hint string)) {
	p := c.prog
	o := p.info.Options
	for _, b := range p.info.BoundOptions {
		if message, hint := o.Set(b.ID, optionValue(c.params[b.Param])); message != "" {
			report(CodeBadOption, b.Pos, message, hint)
		}
	}
	if pos, message, found := p.info.Conflict(&o); found {
		report(CodeBadOption, pos, message, "")
	}
	o = bounded(o, &p.limits)
	c.options = &o
}

// bounded brings the times into their limits.
func bounded(o Options, limits *Limits) Options {
	if o.TimeoutMs == 0 {
		o.TimeoutMs = limits.TimeoutMs
	}
	o.TimeoutMs = min(o.TimeoutMs, limits.TimeoutMaxMs)
	o.AdmissionWaitMs = min(o.AdmissionWaitMs, limits.AdmissionMs)
	return o
}

// optionValue turns a parameter into the value of an option.
func optionValue(v Value) check.OptionValue {
	switch v.kind {
	case KindString:
		return check.TextOption(v.str)
	case KindBool:
		word := strconv.FormatBool(v.Bool())
		return check.OptionValue{Text: word, Shown: word}
	case KindInt, KindFloat:
		shown, _ := toStr(v)
		if n, err := whole(v, ""); err == nil {
			return check.OptionValue{Kind: check.WholeValue, Int: n, Shown: shown}
		}
		return check.OptionValue{Kind: check.OtherValue, Shown: shown}
	}
	return check.OptionValue{Kind: check.OtherValue, Shown: v.kind.String()}
}
