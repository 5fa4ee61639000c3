package register

import (
	"fmt"
	"strconv"
	"strings"

	"kahuna/internal/history"
)

// Op is one atomic operation on one key: usually a single step.
type Op struct {
	Process int
	history.Span
	Outcome history.Outcome
	Key     string
	Steps   []Step
	// From is the earliest time that the operation saw, when that was before
	// its first step; 0 when not known.
	From int64
	Tags []string
}

// Verb is what a step does.
type Verb uint8

// The verbs.
const (
	Get Verb = iota
	Exists
	Set
	Delete
	Extend
)

var verbs = [...]string{"get", "exists", "set", "delete", "extend"}

// Condition is when a Set takes effect.
type Condition uint8

// The conditions: always, only if the key is not live, only if it is, only if
// it holds Want, only if it stands at WantRev.
const (
	Always Condition = iota
	NX
	XX
	Cmp
	CmpRev
)

// Step is a command with its answer.
type Step struct {
	Verb    Verb
	Value   string // to set
	When    Condition
	Want    string
	WantRev int64
	TTL     int64 // of Set and Extend, in milliseconds; 0 for ever

	Now int64 // the clock reading that judged it, 0 when not known

	// The answer, of operations that have one: whether the key was live, or
	// the write took effect; and with it the value read, the revision, and
	// when the row ends (0 never, -1 not known).
	Done    bool
	Got     string
	Rev     int64
	Expires int64
}

func (v Verb) writes() bool { return v == Set || v == Delete || v == Extend }

// String returns the text form:
//
//	p1 3-8 applied k: @100 get -> found a r0 until 130; set b cmp a ttl 10 -> done r1 until ?
//
// Answers are "found", "none", "done", "refused", with what belongs to them; an
// operation without an answer has no arrows.
func (o *Op) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "p%d %d-", o.Process, o.Call)
	if o.Return != history.Never {
		fmt.Fprint(&b, o.Return)
	}
	fmt.Fprintf(&b, " %v %s:", o.Outcome, o.Key)
	if o.From != 0 {
		fmt.Fprintf(&b, " from %d;", o.From)
	}
	for i := range o.Steps {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(o.Steps[i].command())
		if o.Outcome == history.Applied {
			b.WriteString(o.Steps[i].answer())
		}
	}
	return b.String()
}

func (s *Step) command() string {
	var b strings.Builder
	if s.Now != 0 {
		fmt.Fprintf(&b, " @%d", s.Now)
	}
	b.WriteString(" " + verbs[s.Verb])
	if s.Verb == Set {
		b.WriteString(" " + s.Value)
		switch s.When {
		case NX:
			b.WriteString(" nx")
		case XX:
			b.WriteString(" xx")
		case Cmp:
			b.WriteString(" cmp " + s.Want)
		case CmpRev:
			fmt.Fprintf(&b, " cmprev %d", s.WantRev)
		}
	}
	if s.TTL != 0 {
		fmt.Fprintf(&b, " ttl %d", s.TTL)
	}
	return b.String()
}

func (s *Step) answer() string {
	var b strings.Builder
	switch {
	case s.Verb.writes() && s.Done:
		fmt.Fprintf(&b, " -> done r%d", s.Rev)
	case s.Verb.writes():
		fmt.Fprintf(&b, " -> refused r%d", s.Rev)
	case !s.Done:
		return " -> none"
	case s.Verb == Exists:
		fmt.Fprintf(&b, " -> found r%d", s.Rev)
	default:
		fmt.Fprintf(&b, " -> found %s r%d", s.Got, s.Rev)
	}
	if s.Done && s.Expires > 0 {
		fmt.Fprintf(&b, " until %d", s.Expires)
	} else if s.Done && s.Expires < 0 {
		b.WriteString(" until ?")
	}
	return b.String()
}

// Format returns a history in the text form.
func Format(ops []Op) string {
	var b strings.Builder
	for i := range ops {
		b.WriteString(ops[i].String() + "\n")
	}
	return b.String()
}

// Parse reads the text form. Empty lines and those that begin with # count for
// nothing.
func Parse(text string) ([]Op, error) {
	var ops []Op
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		op, err := parseOp(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		ops = append(ops, op)
	}
	return ops, nil
}

func parseOp(line string) (Op, error) {
	var op Op
	head, rest, _ := strings.Cut(line, ":")
	words := strings.Fields(head)
	if len(words) != 4 {
		return op, fmt.Errorf("want \"process call-return outcome key\", got %q", head)
	}
	var err error
	if op.Process, err = strconv.Atoi(strings.TrimPrefix(words[0], "p")); err != nil {
		return op, err
	}
	call, ret, _ := strings.Cut(words[1], "-")
	if op.Call, err = strconv.ParseInt(call, 10, 64); err != nil {
		return op, err
	}
	op.Return = history.Never
	if ret != "" {
		if op.Return, err = strconv.ParseInt(ret, 10, 64); err != nil {
			return op, err
		}
	}
	switch words[2] {
	case history.Applied.String():
	case history.NotApplied.String():
		op.Outcome = history.NotApplied
	case history.Unknown.String():
		op.Outcome = history.Unknown
	default:
		return op, fmt.Errorf("unknown outcome %q", words[2])
	}
	op.Key = words[3]
	for _, text := range strings.Split(rest, ";") {
		p := parser{words: strings.Fields(text)}
		if p.take("from") {
			op.From = p.number("")
		} else {
			op.Steps = append(op.Steps, p.step())
		}
		if len(p.words) > 0 && p.err == nil {
			p.err = fmt.Errorf("unexpected %q", p.words[0])
		}
		if p.err != nil {
			return op, fmt.Errorf("%q: %w", text, p.err)
		}
	}
	return op, nil
}

// parser takes words from the front.
type parser struct {
	words []string
	err   error
}

func (p *parser) word() string {
	if len(p.words) == 0 {
		if p.err == nil {
			p.err = fmt.Errorf("it ends too early")
		}
		return ""
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

func (p *parser) take(word string) bool {
	if len(p.words) == 0 || p.words[0] != word {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *parser) number(prefix string) int64 {
	n, err := strconv.ParseInt(strings.TrimPrefix(p.word(), prefix), 10, 64)
	if err != nil && p.err == nil {
		p.err = err
	}
	return n
}

func (p *parser) step() Step {
	var s Step
	if len(p.words) > 0 && p.words[0][0] == '@' {
		s.Now = p.number("@")
	}
	verb, known := p.word(), false
	for i, v := range verbs {
		if v == verb {
			s.Verb, known = Verb(i), true
		}
	}
	if !known && p.err == nil {
		p.err = fmt.Errorf("unknown verb %q", verb)
	}
	if s.Verb == Set {
		s.Value = p.word()
		switch {
		case p.take("nx"):
			s.When = NX
		case p.take("xx"):
			s.When = XX
		case p.take("cmp"):
			s.When, s.Want = Cmp, p.word()
		case p.take("cmprev"):
			s.When, s.WantRev = CmpRev, p.number("")
		}
	}
	if p.take("ttl") {
		s.TTL = p.number("")
	}
	if p.take("->") {
		p.answer(&s)
	}
	return s
}

func (p *parser) answer(s *Step) {
	switch p.word() {
	case "found":
		s.Done = true
		if s.Verb == Get {
			s.Got = p.word()
		}
		s.Rev = p.number("r")
	case "done":
		s.Done = true
		s.Rev = p.number("r")
	case "refused":
		s.Rev = p.number("r")
	case "none":
		s.Rev = -1
	default:
		p.err = fmt.Errorf("unknown answer")
	}
	if p.take("until") {
		if p.take("?") {
			s.Expires = -1
		} else {
			s.Expires = p.number("")
		}
	}
}
