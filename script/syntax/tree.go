package syntax

// Script is the tree of one parsed source. It is immutable after parsing and
// may be shared by goroutines.
type Script struct {
	Source string // without a byte order mark
	// Begin is the begin block, or nil for a plain script. When it is set,
	// Body is the block's statements.
	Begin *Begin
	Body  []Stmt

	// Partial tells that the source has errors of form, so that the tree may
	// not be what was meant: blocks may end elsewhere, statements be missing.
	// Only ParsePartial returns such a tree.
	Partial bool
	// Gaps are the parts of the source that are not in a partial tree, or are
	// in it as what they may not have been meant to be, since an error follows
	// them directly. They are in no order, and may overlap.
	Gaps []Gap
	// Remarks are the places where the layout of the source suggests another
	// meaning than it has, in source order.
	Remarks []Remark
	// Nameless tells that the name of a variable that is assigned was not
	// understood: it may be any name that is read.
	Nameless bool
}

// Remark is a place where a line break may mislead a reader.
type Remark struct {
	Pos  Pos
	Kind RemarkKind
	Text string // the token there
}

// RemarkKind tells what a remark is about.
type RemarkKind uint8

// The remarks.
const (
	// Returned: a return takes its operand from a later line.
	Returned RemarkKind = iota
	// Continued: a sign or bracket that begins a line goes on with the
	// expression of the line before.
	Continued
)

// Gap is a part of a source, from one byte offset to another.
type Gap struct{ From, To int32 }

// Begin is the head of a begin block.
type Begin struct {
	Pos     Pos // the word begin
	Options []*Option
	End     Pos // the word end
}

// Option is one name = value of a begin block. Name keeps the letters of the
// source; names and words compare without regard to case.
type Option struct {
	Pos   Pos
	Name  string
	Value OptionValue
}

// OptionValue is the right side of an option: a bare word, a literal
// (possibly negative), or a placeholder.
type OptionValue struct {
	Pos Pos
	// Word is set for a bare identifier, exactly as written.
	Word string
	// Expr is set for every other form: *IntLit, *FloatLit (sign already
	// applied), *StringLit, *BoolLit, *NullLit or *Placeholder.
	Expr Expr
}

// Stmt is a statement: *CommandStmt, *Let, *If, *Switch, *For, *While,
// *Break, *Continue, *Commit, *Rollback, *Return, *Throw, *Assert or *Sleep.
type Stmt interface {
	// Position returns where the statement begins: its keyword.
	Position() Pos
	stmt()
}

// The statements.
type (
	// CommandStmt is a read or write command standing as a statement.
	CommandStmt struct{ Command Expr } // one of the command nodes below

	// Let assigns X, an expression or any command, to a variable.
	Let struct {
		Pos     Pos
		Name    string
		NamePos Pos
		X       Expr
	}

	// If is a chain: one Branch per if and elseif, and Else (nil without
	// one; HasElse tells an empty else from none).
	If struct {
		Branches []Branch
		Else     []Stmt
		HasElse  bool
		ElsePos  Pos
		End      Pos
	}

	// Switch compares X with the values of its cases, top to bottom.
	Switch struct {
		Pos     Pos
		X       Expr
		Cases   []Case
		Else    []Stmt
		HasElse bool
		ElsePos Pos
		End     Pos
	}

	// For runs Body for each element of X, assigned to Name. When X is a
	// *Range it need not be built. With two variables (Second is not empty)
	// Name is the key or index, Second the member or element.
	For struct {
		Pos       Pos
		Name      string
		NamePos   Pos
		Second    string
		SecondPos Pos
		X         Expr
		Body      []Stmt
		End       Pos
	}

	// While runs Body as long as Cond is true.
	While struct {
		Pos  Pos
		Cond Expr
		Body []Stmt
		End  Pos
	}

	// Break leaves the innermost loop.
	Break struct{ Pos Pos }
	// Continue goes on with the innermost loop's next pass.
	Continue struct{ Pos Pos }
	// Commit commits and ends the script.
	Commit struct{ Pos Pos }
	// Rollback undoes everything and ends the script.
	Rollback struct{ Pos Pos }

	// Return ends the script with X, which is nil when bare, an expression,
	// or any command.
	Return struct {
		Pos Pos
		X   Expr
	}

	// Throw ends the script with an error whose text is X, and whose code of
	// the application is Code, which may be nil.
	Throw struct {
		Pos  Pos
		X    Expr
		Code Expr
	}

	// Assert throws Message, with Code, when Cond is false.
	Assert struct {
		Pos     Pos
		Cond    Expr
		Message Expr
		Code    Expr
	}

	// Sleep pauses for X milliseconds.
	Sleep struct {
		Pos Pos
		X   Expr
	}
)

// Branch is one condition of an If with its block.
type Branch struct {
	Pos  Pos // the word if or elseif
	Cond Expr
	Body []Stmt
}

// Case is one case of a Switch with its block.
type Case struct {
	Pos    Pos // the word case
	Values []Expr
	Body   []Stmt
}

// Expr is an expression: a literal, *Placeholder, *Ident, *Call, *Unary,
// *Binary, *Logical, *Range, *Index, *ArrayLit, *MapLit, *Paren, *Guard, or a
// command (*Get, *Exists, *Multi, *Count, *Set, *Delete, *DeleteMany, *Extend).
type Expr interface {
	// Position returns the token that is responsible for an error in this
	// expression: the operator of *Unary, *Binary, *Logical and *Range, the
	// opening bracket or dot of *Index, the name of *Call, the keyword of a command
	// or guard, and the first token of everything else.
	Position() Pos
	expr()
}

// The expressions that are no commands.
type (
	// NullLit is null.
	NullLit struct{ Pos Pos }
	// BoolLit is true or false.
	BoolLit struct {
		Pos   Pos
		Value bool
	}
	// IntLit is an integer literal, units applied. Text is the source text.
	// The literal 9223372036854775808 is accepted only under a unary minus,
	// and the two are folded into one IntLit.
	IntLit struct {
		Pos   Pos
		Value int64
		Text  string
	}
	// FloatLit is a finite float literal.
	FloatLit struct {
		Pos   Pos
		Value float64
		Text  string
	}
	// StringLit is a string literal, escapes decoded. Text is the source
	// text with its quotes.
	StringLit struct {
		Pos   Pos
		Value string
		Text  string
	}
	// Placeholder is @name; Name is without the @.
	Placeholder struct {
		Pos  Pos
		Name string
	}
	// Ident is a variable. Quoted tells a backtick identifier.
	Ident struct {
		Pos    Pos
		Name   string
		Quoted bool
	}
	// Call is a function call. Name is as written.
	Call struct {
		Pos  Pos
		Name string
		Args []Expr // any may be a write command
	}
	// Unary is -X, !X or not X; Op is Minus, Bang or Not.
	Unary struct {
		Pos Pos
		Op  Op
		X   Expr
	}
	// Binary is X Op Y with both operands evaluated.
	Binary struct {
		Pos  Pos // the operator
		Op   Op
		X, Y Expr
	}
	// Logical is && , || or ??, which may skip Y.
	Logical struct {
		Pos  Pos
		Op   Op // And, Or or Coalesce
		X, Y Expr
	}
	// Range is X..Y.
	Range struct {
		Pos  Pos // the ..
		X, Y Expr
	}
	// Index is X[Y], or with Dot X.Y, where Y is a *StringLit.
	Index struct {
		Pos  Pos // the [ or the .
		X, Y Expr
		Dot  bool
	}
	// ArrayLit is [a, b, ...]. Any element may be a write command.
	ArrayLit struct {
		Pos   Pos
		Elems []Expr
	}
	// MapLit is {key: value, ...}.
	MapLit struct {
		Pos     Pos
		Members []Member
	}
	// Paren is (X). It is kept for the printer and for "return (exists k)",
	// which returns the bool and not the command's result.
	Paren struct {
		Pos Pos
		X   Expr // may be a write command
	}
	// Guard is not set, not found, not deleted, not extended or found. Pos is
	// the word not (or the !), Bang tells which was written, or the word found.
	Guard struct {
		Pos  Pos
		Bang bool
		Kind GuardKind
	}
)

// Member is one member of a MapLit. Key is a *StringLit for a name and for a
// string, else a *Paren. Value may be a write command.
type Member struct {
	Key   Expr
	Value Expr
}

// GuardKind tells the four guards apart.
type GuardKind uint8

// The guards.
const (
	NotSet GuardKind = iota
	NotFound
	NotDeleted
	NotExtended
	Found // the opposite of NotFound
)

// Space tells the two key spaces apart.
type Space uint8

// The spaces.
const (
	Persistent Space = iota
	Ephemeral
)

// KeyKind tells how a key is written.
type KeyKind uint8

// The ways to write a key.
const (
	NameKey        KeyKind = iota // bare identifier, literal
	QuotedNameKey                 // backtick identifier
	StringKey                     // string literal
	PlaceholderKey                // @name
	ComputedKey                   // ( expression )
)

// Key is the key operand of a command.
type Key struct {
	Pos  Pos
	Kind KeyKind
	// Name is the key's text for NameKey, QuotedNameKey and StringKey, and
	// the placeholder's name for PlaceholderKey.
	Name string
	Text string // source text of a StringKey
	X    Expr   // the expression of a ComputedKey; may be a write command
}

// The commands. Pos is the command's keyword.
type (
	// Get is get or eget. At most one of At and AsOf is set.
	Get struct {
		Pos      Pos
		Space    Space
		Key      Key
		At, AsOf Expr
	}
	// Exists is exists or eexists.
	Exists struct {
		Pos      Pos
		Space    Space
		Key      Key
		At, AsOf Expr
	}
	// Multi is get by bucket (Prefix false) or scan by prefix (Prefix true).
	// A part that is not there has a Pos that is not valid.
	Multi struct {
		Pos      Pos
		Space    Space
		Prefix   bool
		Key      Key
		AsOf     Expr
		Limit    Expr
		LimitPos Pos
		After    Expr
		AfterPos Pos
		DescPos  Pos
	}
	// Count is count by bucket or count by prefix.
	Count struct {
		Pos    Pos
		Space  Space
		Prefix bool
		Key    Key
		AsOf   Expr
	}
	// Set is set or eset. Flags stand in source order, each kind at most
	// once, never both nx and xx.
	Set struct {
		Pos   Pos
		Space Space
		Key   Key
		X     Expr
		Flags []SetFlag
	}
	// Delete is delete or edelete.
	Delete struct {
		Pos   Pos
		Space Space
		Key   Key
	}
	// DeleteMany is delete by bucket or delete by prefix. Limit may be nil.
	DeleteMany struct {
		Pos      Pos
		Space    Space
		Prefix   bool
		Key      Key
		Limit    Expr
		LimitPos Pos
	}
	// Extend is extend or eextend; X is the time to live in milliseconds.
	Extend struct {
		Pos   Pos
		Space Space
		Key   Key
		X     Expr
	}
)

// FlagKind tells the flags of a set apart.
type FlagKind uint8

// The flags of a set.
const (
	FlagNX FlagKind = iota
	FlagXX
	FlagNoRev
	FlagKeepTTL
	FlagEx
	FlagCmp
	FlagCmpRev
)

// SetFlag is one flag of a set; X is its operand, nil for nx, xx, norev
// and keepttl.
type SetFlag struct {
	Pos  Pos
	Kind FlagKind
	X    Expr
}

// Op is an operator.
type Op uint8

// The operators.
const (
	Plus Op = iota
	Minus
	Star
	Slash
	Percent
	Eq
	NotEq
	Less
	LessEq
	Greater
	GreaterEq
	And
	Or
	Coalesce
	Bang
	Not
)

var opText = [...]string{"+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "??", "!", "not"}

// String returns the operator as the printer writes it.
func (o Op) String() string { return opText[o] }

func (s *CommandStmt) Position() Pos { return s.Command.Position() }
func (s *Let) Position() Pos         { return s.Pos }
func (s *If) Position() Pos          { return s.Branches[0].Pos }
func (s *Switch) Position() Pos      { return s.Pos }
func (s *For) Position() Pos         { return s.Pos }
func (s *While) Position() Pos       { return s.Pos }
func (s *Break) Position() Pos       { return s.Pos }
func (s *Continue) Position() Pos    { return s.Pos }
func (s *Commit) Position() Pos      { return s.Pos }
func (s *Rollback) Position() Pos    { return s.Pos }
func (s *Return) Position() Pos      { return s.Pos }
func (s *Throw) Position() Pos       { return s.Pos }
func (s *Assert) Position() Pos      { return s.Pos }
func (s *Sleep) Position() Pos       { return s.Pos }

func (*CommandStmt) stmt() {}
func (*Let) stmt()         {}
func (*If) stmt()          {}
func (*Switch) stmt()      {}
func (*For) stmt()         {}
func (*While) stmt()       {}
func (*Break) stmt()       {}
func (*Continue) stmt()    {}
func (*Commit) stmt()      {}
func (*Rollback) stmt()    {}
func (*Return) stmt()      {}
func (*Throw) stmt()       {}
func (*Assert) stmt()      {}
func (*Sleep) stmt()       {}

func (x *NullLit) Position() Pos     { return x.Pos }
func (x *BoolLit) Position() Pos     { return x.Pos }
func (x *IntLit) Position() Pos      { return x.Pos }
func (x *FloatLit) Position() Pos    { return x.Pos }
func (x *StringLit) Position() Pos   { return x.Pos }
func (x *Placeholder) Position() Pos { return x.Pos }
func (x *Ident) Position() Pos       { return x.Pos }
func (x *Call) Position() Pos        { return x.Pos }
func (x *Unary) Position() Pos       { return x.Pos }
func (x *Binary) Position() Pos      { return x.Pos }
func (x *Logical) Position() Pos     { return x.Pos }
func (x *Range) Position() Pos       { return x.Pos }
func (x *Index) Position() Pos       { return x.Pos }
func (x *ArrayLit) Position() Pos    { return x.Pos }
func (x *MapLit) Position() Pos      { return x.Pos }
func (x *Paren) Position() Pos       { return x.Pos }
func (x *Guard) Position() Pos       { return x.Pos }
func (x *Get) Position() Pos         { return x.Pos }
func (x *Exists) Position() Pos      { return x.Pos }
func (x *Multi) Position() Pos       { return x.Pos }
func (x *Count) Position() Pos       { return x.Pos }
func (x *DeleteMany) Position() Pos  { return x.Pos }
func (x *Set) Position() Pos         { return x.Pos }
func (x *Delete) Position() Pos      { return x.Pos }
func (x *Extend) Position() Pos      { return x.Pos }

func (*NullLit) expr()     {}
func (*BoolLit) expr()     {}
func (*IntLit) expr()      {}
func (*FloatLit) expr()    {}
func (*StringLit) expr()   {}
func (*Placeholder) expr() {}
func (*Ident) expr()       {}
func (*Call) expr()        {}
func (*Unary) expr()       {}
func (*Binary) expr()      {}
func (*Logical) expr()     {}
func (*Range) expr()       {}
func (*Index) expr()       {}
func (*ArrayLit) expr()    {}
func (*MapLit) expr()      {}
func (*Paren) expr()       {}
func (*Guard) expr()       {}
func (*Get) expr()         {}
func (*Exists) expr()      {}
func (*Multi) expr()       {}
func (*Count) expr()       {}
func (*DeleteMany) expr()  {}
func (*Set) expr()         {}
func (*Delete) expr()      {}
func (*Extend) expr()      {}
