package check

import (
	"slices"

	"kahuna/script/syntax"
)

// Info is what is known about a script before it runs. It is immutable after
// Check and may be shared by goroutines.
type Info struct {
	// Diagnostics lists every error and warning in source order.
	Diagnostics []syntax.Diagnostic
	// Vars names the variables; the index of a name is its slot.
	Vars []string
	// Placeholders lists the script's placeholders, each name once, in the
	// order of their first use.
	Placeholders []Placeholder
	// Keys lists the key of every command in source order.
	Keys []KeyUse

	// Options are the begin options as far as the text fixes them.
	Options Options
	// BoundOptions are the options whose value is a placeholder.
	BoundOptions []BoundOption

	CanWrite bool // has a set, delete or extend
	CanSleep bool // has a sleep other than the literal "sleep 0"
	HasWhile bool

	slots         map[string]int
	params        map[string]int
	snapshotPos   syntax.Pos // of the option's name, also when it is bound
	validationPos syntax.Pos
}

// Placeholder is one name a script asks a parameter for.
type Placeholder struct {
	Name   string     // without @
	Pos    syntax.Pos // the first use that needs a parameter, else the first
	Key    bool       // stands as a key somewhere
	KeyPos syntax.Pos // the first of those places
	// Optional: every use is the left operand of ??. Without a parameter it is
	// null.
	Optional bool
	// AnyKey: as a key it may be empty, a prefix with a limit everywhere.
	AnyKey bool
}

// Class tells when a key is known (docs/language.md, "Keys").
type Class uint8

// The classes.
const (
	// Static: the text of the script.
	Static Class = iota
	// Bindable: known once parameters are bound; made of literals,
	// placeholders, operators and pure functions only.
	Bindable
	// Dynamic: known only while the script runs.
	Dynamic
)

// Access is what a command does with its key.
type Access uint8

// The accesses.
const (
	Read Access = iota
	Write
	ReadBucket
	ReadPrefix
	DeleteBucket
	DeletePrefix
)

// KeyUse is the key of one command.
type KeyUse struct {
	Key    *syntax.Key
	Space  syntax.Space
	Access Access
	Class  Class
	// History marks a read of a revision or of a past time (at, as of, or in
	// a snapshot transaction), which takes no part in ordering and needs no
	// lock.
	History bool
	// Limited: a prefix read with a limit, which may be empty.
	Limited bool
	// Part: limit, after or desc let only a part of the range be read.
	Part bool
}

// OK reports whether the script may run: there are no errors.
func (in *Info) OK() bool {
	for i := range in.Diagnostics {
		if in.Diagnostics[i].Severity == syntax.Error {
			return false
		}
	}
	return true
}

// Slot returns the slot of a variable; ok is false when the script assigns no
// variable of that name.
func (in *Info) Slot(name string) (slot int, ok bool) {
	slot, ok = in.slots[name]
	return slot, ok
}

// Param returns the index of a placeholder in Placeholders.
func (in *Info) Param(name string) (index int, ok bool) {
	index, ok = in.params[name]
	return index, ok
}

// Snapshot reports whether the begin block has a snapshot option.
func (in *Info) Snapshot() bool { return in.snapshotPos.IsValid() }

// Check examines a script. The result is never nil.
//
// Of a partial tree it finds what is wrong with the statements that are there,
// as far as that does not depend on those that are not; such a script must not
// run, whatever Check says.
func Check(s *syntax.Script) *Info {
	c := &checker{info: &Info{Options: NewOptions()}, gaps: newGaps(s)}
	if s.Begin != nil {
		c.options(s.Begin.Options)
	} else {
		c.info.Options.AutoCommit = true
	}
	c.block(s.Body)
	c.reads()
	c.remarks()
	c.layout(s)
	if !s.Partial {
		c.flow(s)
	}
	slices.SortStableFunc(c.info.Diagnostics, func(a, b syntax.Diagnostic) int {
		return int(a.Pos.Offset) - int(b.Pos.Offset)
	})
	return c.info
}

// checker is the state of one Check. The lists hold what can be judged only
// when all assignments are known.
type checker struct {
	suggested int // unknown names compared with the known ones
	info      *Info

	vars       []variable // parallel to info.Vars
	readIdents []*syntax.Ident
	setTo      []*syntax.Ident // those of them that a set writes as they are
	nameKeys   []*syntax.Key
	guards     []*syntax.Guard
	conditions []*syntax.Ident
	impure     int                 // what makes a computed key dynamic, met so far
	spine      []syntax.Expr       // operands that wait, see chain
	lenient    *syntax.Placeholder // the left operand of a ?? that comes next
	computed   []*syntax.Key       // computed keys that may be values of the store
	readInto   map[string]bool     // names of variables that are bound to what is read of the key of that name
	inLet      string              // the variable that is being bound, or ""
	gaps       *gaps
}

// variable says how a variable is assigned.
type variable struct {
	onlyGet bool // every assignment so far is a bare get
	// Every assignment so far is what was read from the store: a value, or rows
	// of a bucket or prefix.
	onlyRead, onlyRows bool
}

// binding is what an assignment gives a variable.
type binding struct{ get, read, rows bool }

// report says something about the place pos, unless a gap is there.
func (c *checker) report(sev syntax.Severity, code syntax.Code, pos syntax.Pos, hint, message string) {
	if c.gaps.cover(pos.Offset) {
		return
	}
	c.info.Diagnostics = append(c.info.Diagnostics, syntax.Diagnostic{
		Severity: sev, Code: code, Pos: pos, Message: message, Hint: hint,
	})
}

func (c *checker) errorAt(code syntax.Code, pos syntax.Pos, hint, message string) {
	c.report(syntax.Error, code, pos, hint, message)
}

func (c *checker) warnAt(pos syntax.Pos, hint, message string) {
	c.report(syntax.Warning, "", pos, hint, message)
}
