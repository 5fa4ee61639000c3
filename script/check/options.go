package check

import (
	"fmt"
	"strconv"
	"strings"

	"kahuna/script/syntax"
)

// Locking is what the locking option says.
type Locking uint8

// The ways of locking (docs/language.md, "Transactions").
const (
	Pessimistic Locking = iota
	Optimistic
)

// Priority is what the priority option says.
type Priority uint8

// The priorities, lowest first after PriorityUnset, which leaves the choice
// to the request.
const (
	PriorityUnset Priority = iota
	PriorityBackground
	PriorityLow
	PriorityNormal
	PriorityHigh
	PriorityCritical
)

// Options are the options of a begin block (docs/language.md, "Transactions"). A
// script without one has AutoCommit true and the defaults otherwise.
type Options struct {
	AutoCommit      bool
	AsyncRelease    bool
	TrackReads      bool // readValidation=trackAndValidate
	Durable         bool // decisionDurability=durable
	Locking         Locking
	Priority        Priority
	TimeoutMs       int64 // 0 when not given
	Snapshot        int64 // Unix milliseconds, 0 when not given
	AdmissionWaitMs int64 // -1 when not given
}

// NewOptions returns the options of a begin block without any.
func NewOptions() Options { return Options{AdmissionWaitMs: -1} }

// OptionID tells the options apart.
type OptionID uint8

// The options, in the order of optionNames.
const (
	optAutoCommit OptionID = iota
	optTimeout
	optLocking
	optSnapshot
	optPriority
	optAdmissionWait
	optAsyncRelease
	optReadValidation
	optDecisionDurability
	optCount
)

var optionNames = []string{
	"autoCommit", "timeout", "locking", "snapshot", "priority", "admissionWait",
	"asyncRelease", "readValidation", "decisionDurability",
}

// String returns the option's name.
func (id OptionID) String() string { return optionNames[id] }

// BoundOption is an option whose value is known when parameters are bound.
type BoundOption struct {
	ID    OptionID
	Param int        // index in Info.Placeholders
	Pos   syntax.Pos // the placeholder
}

// OptionValue is the value of an option on its way into Options.
type OptionValue struct {
	// Text is a word, a string, or for what is neither a text nor a whole
	// number the way to show it.
	Text  string
	Int   int64
	Kind  ValueKind
	Shown string // how a message quotes the value
}

// ValueKind tells what an OptionValue holds.
type ValueKind uint8

// The kinds of option values.
const (
	TextValue  ValueKind = iota // Text: a word, a string, or a bool's name
	WholeValue                  // Int
	OtherValue                  // nothing an option takes
)

// Set gives an option a value. When the value does not fit it returns the
// message and perhaps a hint, and leaves o alone.
func (o *Options) Set(id OptionID, v OptionValue) (message, hint string) {
	switch id {
	case optAutoCommit:
		return setBool(&o.AutoCommit, id, v)
	case optAsyncRelease:
		return setBool(&o.AsyncRelease, id, v)
	case optTimeout:
		return setMs(&o.TimeoutMs, id, v, 1)
	case optSnapshot:
		return setMs(&o.Snapshot, id, v, 1)
	case optAdmissionWait:
		return setMs(&o.AdmissionWaitMs, id, v, 0)
	case optLocking:
		n, message, hint := oneOf(id, v, "pessimistic", "optimistic")
		if message == "" {
			o.Locking = Locking(n)
		}
		return message, hint
	case optPriority:
		n, message, hint := oneOf(id, v, "background", "low", "normal", "high", "critical")
		if message == "" {
			o.Priority = PriorityBackground + Priority(n)
		}
		return message, hint
	case optReadValidation:
		n, message, hint := oneOf(id, v, "none", "trackAndValidate")
		if message == "" {
			o.TrackReads = n == 1
		}
		return message, hint
	}
	n, message, hint := oneOf(id, v, "bestEffort", "durable")
	if message == "" {
		o.Durable = n == 1
	}
	return message, hint
}

func setBool(field *bool, id OptionID, v OptionValue) (message, hint string) {
	n, message, hint := oneOf(id, v, "true", "yes", "false", "no")
	if message == "" {
		*field = n < 2
	}
	return message, hint
}

func setMs(field *int64, id OptionID, v OptionValue, least int64) (message, hint string) {
	n := v.Int
	if v.Kind != WholeValue {
		var ok bool
		if n, ok = wholeText(v); !ok {
			return fmt.Sprintf("option '%s' needs a whole number of milliseconds, got %s", id, v.Shown), ""
		}
	}
	switch {
	case n >= least:
		*field = n
		return "", ""
	case least == 0:
		return fmt.Sprintf("option '%s' must not be negative, got %d", id, n), ""
	}
	return fmt.Sprintf("option '%s' must be greater than 0, got %d", id, n), ""
}

// wholeText reads integer numeric text (docs/language.md, "Values and types").
func wholeText(v OptionValue) (int64, bool) {
	if v.Kind != TextValue {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.Trim(v.Text, " \t\n\v\f\r"), 10, 64)
	return n, err == nil
}

func oneOf(id OptionID, v OptionValue, words ...string) (n int, message, hint string) {
	if v.Kind == TextValue {
		for i, w := range words {
			if strings.EqualFold(v.Text, w) {
				return i, "", ""
			}
		}
		hint = didYouMean(syntax.Suggest(v.Text, words))
	}
	last := len(words) - 1
	list := strings.Join(words[:last], ", ") + " or " + words[last]
	return 0, fmt.Sprintf("option '%s' must be %s, got %s", id, list, v.Shown), hint
}

// Conflict reports that o has options that exclude each other, with the place
// and the message.
func (in *Info) Conflict(o *Options) (pos syntax.Pos, message string, found bool) {
	if o.Snapshot == 0 || !o.TrackReads {
		return syntax.Pos{}, "", false
	}
	pos = in.snapshotPos
	if in.validationPos.Offset > pos.Offset {
		pos = in.validationPos
	}
	return pos, "options 'snapshot' and 'readValidation=trackAndValidate' exclude each other", true
}

func (c *checker) options(options []*syntax.Option) {
	var given [optCount]bool
	for _, o := range options {
		id, ok := lookupOption(o.Name)
		if !ok {
			c.errorAt(syntax.CodeBadOption, o.Pos, didYouMean(syntax.Suggest(o.Name, optionNames)),
				fmt.Sprintf("unknown option '%s' in begin", o.Name))
			c.optionPlaceholder(o)
			continue
		}
		if given[id] {
			c.errorAt(syntax.CodeBadOption, o.Pos, "", fmt.Sprintf("option '%s' is given twice", id))
			c.optionPlaceholder(o)
			continue
		}
		given[id] = true
		switch id {
		case optSnapshot:
			c.info.snapshotPos = o.Pos
		case optReadValidation:
			c.info.validationPos = o.Pos
		}
		if p := c.optionPlaceholder(o); p >= 0 {
			c.info.BoundOptions = append(c.info.BoundOptions, BoundOption{ID: id, Param: p, Pos: o.Value.Pos})
			continue
		}
		if message, hint := c.info.Options.Set(id, literal(&o.Value)); message != "" {
			c.errorAt(syntax.CodeBadOption, o.Value.Pos, hint, message)
		}
	}
	if pos, message, found := c.info.Conflict(&c.info.Options); found {
		c.errorAt(syntax.CodeBadOption, pos, "", message)
	}
}

// optionPlaceholder records the placeholder that is an option's value and
// returns its index, or -1 when the value is something else.
func (c *checker) optionPlaceholder(o *syntax.Option) int {
	p, ok := o.Value.Expr.(*syntax.Placeholder)
	if !ok {
		return -1
	}
	c.placeholder(p.Name, p.Pos, use{})
	return c.info.params[p.Name]
}

func lookupOption(name string) (OptionID, bool) {
	for i, n := range optionNames {
		if strings.EqualFold(n, name) {
			return OptionID(i), true
		}
	}
	return 0, false
}

// literal turns an option value of the text into an OptionValue.
func literal(v *syntax.OptionValue) OptionValue {
	switch x := v.Expr.(type) {
	case *syntax.IntLit:
		return OptionValue{Kind: WholeValue, Int: x.Value, Shown: strconv.FormatInt(x.Value, 10)}
	case *syntax.FloatLit:
		shown := strconv.FormatFloat(x.Value, 'g', -1, 64)
		if n, ok := wholeFloat(x.Value); ok {
			return OptionValue{Kind: WholeValue, Int: n, Shown: shown}
		}
		return OptionValue{Kind: OtherValue, Shown: shown}
	case *syntax.StringLit:
		return TextOption(x.Value)
	case *syntax.BoolLit:
		word := strconv.FormatBool(x.Value)
		return OptionValue{Kind: TextValue, Text: word, Shown: word}
	case *syntax.NullLit:
		return OptionValue{Kind: OtherValue, Shown: "null"}
	}
	return TextOption(v.Word)
}

// TextOption returns the option value of a word or string.
func TextOption(text string) OptionValue {
	shown := text
	if r := []rune(text); len(r) > 40 {
		shown = string(r[:40]) + "..."
	}
	return OptionValue{Kind: TextValue, Text: text, Shown: "'" + shown + "'"}
}

// wholeFloat returns a float without a fraction that fits int64.
func wholeFloat(f float64) (int64, bool) {
	if f < -1<<63 || f >= 1<<63 || f != float64(int64(f)) {
		return 0, false
	}
	return int64(f), true
}
