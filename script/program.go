package script

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"kahuna/script/check"
	"kahuna/script/syntax"
)

// Program is a compiled script. It is immutable and may be used by any number
// of goroutines at once.
type Program struct {
	source   string
	hash     [32]byte
	limits   Limits
	info     check.Info // without what only the compiler needs
	options  Options    // of info, within limits
	params   []param
	warnings []Warning
	body     block
	size     int
	keys     []keyAccess // what Footprint computes for every call
	fixed    Footprint   // complete when keys is empty, else what parameters do not change
}

// param is one placeholder.
type param struct {
	name   string
	atName string // with its @, as some clients send it
	pos    syntax.Pos
	key    bool
	keyPos syntax.Pos
	// optional: without a parameter it is null.
	optional bool
	anyKey   bool // as a key it may be empty
}

// Compile parses, checks and compiles a script. A nil limits means the
// defaults. The error is an *Error with the code and place of the first
// problem and all Diagnostics, warnings included.
func Compile(src string, limits *Limits) (*Program, error) {
	lim := limits.orDefaults()
	tree, info, diags := analyse(src, &lim)
	if first := firstError(diags); first != nil {
		return nil, diagnosed(src, first, diags)
	}
	p := &Program{
		source: tree.Source,
		hash:   sha256.Sum256([]byte(tree.Source)),
		limits: lim,
		info:   *info,
		params: make([]param, len(info.Placeholders)),
	}
	p.options = bounded(info.Options, &p.limits)
	for i, ph := range info.Placeholders {
		p.params[i] = param{name: ph.Name, atName: "@" + ph.Name, pos: ph.Pos, key: ph.Key, keyPos: ph.KeyPos,
			optional: ph.Optional, anyKey: ph.AnyKey}
	}
	p.warnings = warningsOf(diags)
	c := compiler{program: p, info: info}
	p.body = c.block(tree.Body)
	c.footprint()
	p.size = programBytes + len(src) + paramBytes*len(p.params) + patternBytes*c.patterns + stateMemory*c.states
	syntax.Walk(tree, func(any) bool { p.size += nodeBytes; return true })
	p.info.Keys, p.info.Diagnostics = nil, nil
	return p, nil
}

// What the parts of a compiled script take in memory, in bytes, or more.
const (
	programBytes = 2 << 10
	nodeBytes    = 128 // of the tree
	paramBytes   = 256
	patternBytes = 1 << 10
	stateMemory  = 100 // state of a pattern
)

// CheckSource returns everything there is to say about a script's text, in
// source order, without compiling it: for editors and other tools.
func CheckSource(src string, limits *Limits) []syntax.Diagnostic {
	lim := limits.orDefaults()
	_, _, diags := analyse(src, &lim)
	return diags
}

// analyse parses and checks. Of a faulty script both say all they can; where
// both say something about the same place, the parser knows better.
func analyse(src string, lim *Limits) (*syntax.Script, *check.Info, []syntax.Diagnostic) {
	tree, diags := syntax.ParsePartial(src, syntax.Limits{
		SourceBytes: lim.SourceBytes, Statements: lim.Statements, Nesting: lim.Nesting,
	})
	info := check.Check(tree)
	form := map[int32]bool{}
	for i := range diags {
		form[diags[i].Pos.Offset] = true
	}
	for _, d := range info.Diagnostics {
		if !form[d.Pos.Offset] {
			diags = append(diags, d)
		}
	}
	for i := range info.Keys {
		k := info.Keys[i].Key
		if info.Keys[i].Class == check.Static && len(k.Name) > lim.KeyBytes {
			e := keyTooLong(len(k.Name), lim)
			diags = append(diags, syntax.Diagnostic{Code: e.Code, Pos: k.Pos, Message: e.Message, Hint: e.Hint})
		}
	}
	slices.SortStableFunc(diags, func(a, b syntax.Diagnostic) int {
		return int(a.Pos.Offset) - int(b.Pos.Offset)
	})
	return tree, info, diags
}

func firstError(diags []syntax.Diagnostic) *syntax.Diagnostic {
	for i := range diags {
		if diags[i].Severity == syntax.Error {
			return &diags[i]
		}
	}
	return nil
}

// warningsOf returns the warnings among diags, nil when there are none.
func warningsOf(diags []syntax.Diagnostic) (list []Warning) {
	for _, d := range diags {
		if d.Severity == syntax.Warning {
			list = append(list, Warning{Line: int(d.Pos.Line), Column: int(d.Pos.Column), Text: d.Text()})
		}
	}
	return list
}

// diagnosed makes the error of a script whose first problem is d.
func diagnosed(src string, d *syntax.Diagnostic, all []syntax.Diagnostic) *Error {
	e := &Error{Code: d.Code, Message: d.Message, Hint: d.Hint, Diagnostics: all, Warnings: warningsOf(all)}
	return e.at(strings.TrimPrefix(src, "\ufeff"), d.Pos)
}

// at returns a copy of e at a place of source. An error that has a place keeps
// it.
func (e *Error) at(source string, pos syntax.Pos) *Error {
	if e.Line != 0 || !pos.IsValid() {
		return e
	}
	placed := *e
	placed.Line, placed.Column = int(pos.Line), int(pos.Column)
	placed.Source = lineAt(source, int(pos.Offset))
	return &placed
}

// lineAt returns the line of source around a byte offset, without its end.
func lineAt(source string, offset int) string {
	offset = min(max(offset, 0), len(source))
	from := strings.LastIndexAny(source[:offset], "\r\n") + 1
	line := source[from:]
	if to := strings.IndexAny(source[offset:], "\r\n"); to >= 0 {
		line = source[from : offset+to]
	}
	return line
}

// Source returns the script's text, without a byte order mark.
func (p *Program) Source() string { return p.source }

// Size returns how many bytes of memory the program takes, estimated from the
// size of its tree: often 50 times its source.
func (p *Program) Size() int { return p.size }

// Hash returns the SHA-256 of Source: equal for equal scripts, on every
// machine.
func (p *Program) Hash() [32]byte { return p.hash }

// Parameters returns the names of the script's parameters, without @, in
// the order of their first use.
func (p *Program) Parameters() []string {
	names := make([]string, len(p.params))
	for i := range p.params {
		names[i] = p.params[i].name
	}
	return names
}

// Warnings returns a copy of the remarks on the script, in source order. Every
// Result of the program carries them.
func (p *Program) Warnings() []Warning { return slices.Clone(p.warnings) }

// WithWarnings returns err with the warnings of the program, for an engine to
// answer with: err is what binding or running the program failed with, whether
// it came from this package or not. An *Error is copied, since it may be
// shared; any other error is returned as it is.
func (p *Program) WithWarnings(err error) error {
	var e *Error
	if len(p.warnings) == 0 || !errors.As(err, &e) {
		return err
	}
	c := *e
	c.Warnings = p.Warnings()
	return &c
}

// orDefaults returns the limits with every zero field set to its default.
func (l *Limits) orDefaults() Limits {
	if l == nil {
		return DefaultLimits()
	}
	return l.WithDefaults()
}
