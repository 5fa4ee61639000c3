package restwire

import (
	"errors"

	"kahuna"
	"kahuna/script"
	"kahuna/script/syntax"
)

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"

// CodeHeader is the header that has the code of an error: an answer to HEAD has
// no body.
const CodeHeader = "Kahuna-Code"

// OperationHeader is the header that has the number of the operation of a
// transaction that an answer is of. Such an answer holds for all sendings.
const OperationHeader = "Kahuna-Operation"

// The codes of the REST face that no error of a store has.
const (
	CodeNotFound        = "does_not_exist"   // the key does not exist
	CodeConditionFailed = "condition_failed" // a condition of the write did not hold
	CodeNoRoute         = "no_such_resource" // nothing is at this path
	CodeMethod          = "method_not_allowed"
	CodeTooLarge        = "too_large" // the body
	CodeMediaType       = "unsupported_media_type"
	CodeNoTransaction   = "no_such_transaction" // it is unknown, or forgotten
	CodeNoScript        = "no_such_script"      // no script with this hash is kept
	CodeHost            = "wrong_host"          // the server does not answer to this name
)

// Problem is an error: a problem document of RFC 9457 with what an
// *kahuna.Error has beside.
type Problem struct {
	Type        string       `json:"type"`
	Title       string       `json:"title"`
	Status      int          `json:"status"`
	Detail      string       `json:"detail"`
	Code        string       `json:"code"`
	Outcome     string       `json:"outcome"`
	Message     string       `json:"message"`
	Hint        string       `json:"hint,omitzero"`
	UserCode    string       `json:"userCode,omitzero"`
	Line        int          `json:"line,omitzero"`
	Column      int          `json:"column,omitzero"`
	Source      string       `json:"source,omitzero"`
	Op          string       `json:"op,omitzero"`
	Key         string       `json:"key,omitzero"`
	Retry       bool         `json:"retry,omitzero"`
	Revision    *int64       `json:"revision,omitzero"` // with CodeConditionFailed: where the key stands
	Diagnostics []Diagnostic `json:"diagnostics,omitzero"`
	Warnings    []Warning    `json:"warnings,omitzero"`
}

// Diagnostic is one finding in the text of a script.
type Diagnostic struct {
	Warning bool   `json:"warning,omitzero"`
	Code    string `json:"code"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitzero"`
}

// statuses has the HTTP status and the title of every code. It is the one
// place where they are decided.
var statuses = map[string]struct {
	status int
	title  string
}{
	string(kahuna.CodeSyntax):            {400, "The script does not compile"},
	string(kahuna.CodeUnknownFunction):   {400, "The script does not compile"},
	string(kahuna.CodeArity):             {400, "The script does not compile"},
	string(kahuna.CodeUndefinedVariable): {400, "The script does not compile"},
	string(kahuna.CodeBadOption):         {400, "An option of the script is wrong"},
	string(kahuna.CodeBadKey):            {400, "This is no key"},
	string(kahuna.CodeMissingParameter):  {400, "A parameter is missing"},
	string(kahuna.CodeBadParameter):      {400, "A parameter is wrong"},
	string(kahuna.CodeBadRequest):        {400, "The request makes no sense"},
	CodeNotFound:                         {404, "The key does not exist"},
	CodeNoRoute:                          {404, "Nothing is here"},
	CodeNoTransaction:                    {404, "There is no such transaction"},
	CodeNoScript:                         {404, "The script is not kept"},
	CodeMethod:                           {405, "The method is not allowed here"},
	string(kahuna.CodeThrow):             {409, "The script refused"},
	string(kahuna.CodeRollback):          {409, "The script rolled back"},
	string(kahuna.CodeConflict):          {409, "Another transaction was first"},
	string(kahuna.CodeDeadlock):          {409, "Transactions waited for each other"},
	string(kahuna.CodeHistory):           {410, "The version is no longer kept"},
	CodeConditionFailed:                  {412, "A condition did not hold"},
	CodeTooLarge:                         {413, "The body is too large"},
	CodeMediaType:                        {415, "The body has a type that is not read here"},
	CodeHost:                             {421, "The server does not answer to this name"},
	string(kahuna.CodeType):              {422, "The script failed"},
	string(kahuna.CodeRange):             {422, "The script failed"},
	string(kahuna.CodeDivisionByZero):    {422, "The script failed"},
	string(kahuna.CodeReadOnly):          {422, "The script failed"},
	string(kahuna.CodeState):             {422, "The script failed"},
	string(kahuna.CodeLimit):             {422, "A limit was exceeded"},
	string(kahuna.CodeCanceled):          {503, "The call was canceled"},
	string(kahuna.CodeRetry):             {503, "The request was not done"},
	string(kahuna.CodeAdmission):         {503, "The store is busy"},
	string(kahuna.CodeClosed):            {503, "The store is closed"},
	string(kahuna.CodeTimeout):           {504, "The time is over"},
	string(kahuna.CodeOutcomeUnknown):    {500, "The outcome is unknown"},
	string(kahuna.CodeStorage):           {500, "The disk failed"},
	string(kahuna.CodeCorrupt):           {500, "Files of the store are damaged"},
	string(kahuna.CodeOpen):              {500, "The store is not open"},
	string(kahuna.CodeBackup):            {500, "The backup failed"},
}

// Codes returns the HTTP status of every code.
func Codes() map[string]int {
	all := map[string]int{}
	for code, s := range statuses {
		all[code] = s.status
	}
	return all
}

// ProblemOf returns err as it is sent, with its HTTP status.
func ProblemOf(err error) *Problem {
	var e *kahuna.Error
	if !errors.As(err, &e) {
		e = &kahuna.Error{Code: kahuna.CodeStorage, Outcome: kahuna.Unknown, Message: err.Error()}
	}
	message := e.Message
	if message == "" && e.Code != kahuna.CodeThrow { // a sentinel
		message = e.Error()
	}
	p := NewProblem(string(e.Code), message, e.Hint)
	p.Detail, p.Outcome = e.Reason(), OutcomeText(e.Outcome)
	p.UserCode, p.Line, p.Column, p.Source = e.UserCode, e.Line, e.Column, e.Source
	p.Op, p.Key, p.Retry, p.Warnings = e.Op, e.Key, e.Retry, warningsOf(e.Warnings)
	for _, d := range e.Diagnostics {
		p.Diagnostics = append(p.Diagnostics, Diagnostic{Warning: d.Warning, Code: string(d.Code), Line: d.Line, Column: d.Column,
			Message: d.Message, Hint: d.Hint})
	}
	return p
}

// NewProblem returns a problem with outcome not applied.
func NewProblem(code, message, hint string) *Problem {
	s, ok := statuses[code]
	if !ok {
		s.status, s.title = 500, "The request failed"
	}
	p := &Problem{Type: "urn:kahuna:error:" + code, Title: s.title, Status: s.status, Detail: message, Code: code,
		Outcome: OutcomeText(kahuna.NotApplied), Message: message, Hint: hint}
	if hint != "" {
		p.Detail += "; " + hint
	}
	return p
}

// Kahuna returns the error that was sent.
func (p *Problem) Kahuna() *kahuna.Error {
	e := &kahuna.Error{Code: kahuna.Code(p.Code), Outcome: outcomeOf(p.Outcome), Message: p.Message, Hint: p.Hint, UserCode: p.UserCode,
		Line: p.Line, Column: p.Column, Source: p.Source, Op: p.Op, Key: p.Key, Retry: p.Retry, Warnings: kahunaWarnings(p.Warnings)}
	switch p.Code {
	case CodeTooLarge:
		e.Code = kahuna.CodeLimit
	case CodeNoTransaction: // it can be run again from its beginning
		e.Code = kahuna.CodeConflict
	case CodeNoRoute, CodeMethod, CodeMediaType, CodeHost:
		e.Code = kahuna.CodeBadRequest
	}
	for _, d := range p.Diagnostics {
		e.Diagnostics = append(e.Diagnostics, kahuna.Diagnostic{Warning: d.Warning, Code: kahuna.Code(d.Code), Line: d.Line, Column: d.Column,
			Message: d.Message, Hint: d.Hint})
	}
	return e
}

// OutcomeText returns the name of an outcome.
func OutcomeText(o kahuna.Outcome) string {
	switch o {
	case kahuna.Applied:
		return "applied"
	case kahuna.NotApplied:
		return "not_applied"
	}
	return "unknown"
}

// outcomeOf returns the outcome of a name; what is not known is unknown.
func outcomeOf(name string) kahuna.Outcome {
	switch name {
	case "applied":
		return kahuna.Applied
	case "not_applied":
		return kahuna.NotApplied
	}
	return kahuna.Unknown
}

// ErrorOf returns an error of the language as an *kahuna.Error.
func ErrorOf(err error) error {
	var e *script.Error
	if !errors.As(err, &e) {
		return err
	}
	o := &kahuna.Error{Code: kahuna.Code(e.Code), Outcome: kahuna.Outcome(e.Outcome), Message: e.Message, Hint: e.Hint, UserCode: e.UserCode,
		Line: e.Line, Column: e.Column, Source: e.Source, Op: e.Op, Key: e.Key, Retry: e.Retry, Err: e.Err}
	for _, w := range e.Warnings {
		o.Warnings = append(o.Warnings, kahuna.Warning(w))
	}
	for _, d := range e.Diagnostics {
		o.Diagnostics = append(o.Diagnostics, kahuna.Diagnostic{Warning: d.Severity == syntax.Warning, Code: kahuna.Code(d.Code),
			Line: int(d.Pos.Line), Column: int(d.Pos.Column), Message: d.Message, Hint: d.Hint})
	}
	return o
}
