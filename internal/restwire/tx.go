package restwire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"kahuna"
)

// Begin is a request for an interactive transaction.
type Begin struct {
	ReadOnly   bool   `json:"readOnly,omitzero"`
	Optimistic bool   `json:"optimistic,omitzero"`
	Idle       string `json:"idle,omitzero"`    // such as "10s"
	Timeout    string `json:"timeout,omitzero"` // likewise
}

// Begun is its answer.
type Begun struct {
	ID string `json:"id"`
}

// DecodeBegin reads a request strictly; nothing at all are the defaults. The
// error says what is wrong with it.
func DecodeBegin(data []byte) (*kahuna.TxOptions, error) {
	var b Begin
	if len(data) > 0 {
		if err := json.Unmarshal(data, &b, json.RejectUnknownMembers(true)); err != nil {
			return nil, err
		}
	}
	o := &kahuna.TxOptions{ReadOnly: b.ReadOnly, Optimistic: b.Optimistic}
	var err error
	if o.Idle, err = positive("idle", b.Idle); err == nil {
		o.Timeout, err = positive("timeout", b.Timeout)
	}
	return o, err
}

// BeginOf returns the request for a transaction.
func BeginOf(o *kahuna.TxOptions) *Begin {
	b := &Begin{}
	if o != nil {
		b.ReadOnly, b.Optimistic = o.ReadOnly, o.Optimistic
		b.Idle, b.Timeout = DurationText(o.Idle), DurationText(o.Timeout)
	}
	return b
}

// DurationText returns d as a request has it; 0 is left out.
func DurationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// The operations of a transaction.
const (
	OpGet      = "get"
	OpExists   = "exists"
	OpSet      = "set"
	OpDelete   = "delete"
	OpExtend   = "extend"
	OpBucket   = "bucket"
	OpPrefix   = "prefix"
	OpRange    = "range"
	OpRun      = "run"
	OpCommit   = "commit"
	OpRollback = "rollback"
)

// Operations are all of them.
var Operations = []string{OpGet, OpExists, OpSet, OpDelete, OpExtend, OpBucket, OpPrefix, OpRange, OpRun, OpCommit, OpRollback}

// Operation is one call of a transaction. Which of its members count depends on
// Op.
type Operation struct {
	// N is the number of the operation, greater than that of the one before; 0 for
	// none. Sent again with its number, the operation is not done again.
	N     int64  `json:"n,omitzero"`
	Op    string `json:"op"`
	Space string `json:"space,omitzero"` // persistent or ephemeral
	Key   string `json:"key,omitzero"`

	// Of a set.
	Value     jsontext.Value `json:"value,omitzero"` // a text, or {"base64": "..."}
	NX        bool           `json:"nx,omitzero"`
	XX        bool           `json:"xx,omitzero"`
	Equals    jsontext.Value `json:"equals,omitzero"` // as Value
	Revision  *int64         `json:"revision,omitzero"`
	KeepTTL   bool           `json:"keepTtl,omitzero"`
	NoHistory bool           `json:"noHistory,omitzero"`
	TTL       string         `json:"ttl,omitzero"` // of an extend, too: such as "30s"; "0" is for ever

	// Of a read of several keys.
	Bucket string `json:"bucket,omitzero"`
	Prefix string `json:"prefix,omitzero"`
	Start  string `json:"start,omitzero"`
	End    string `json:"end,omitzero"`
	After  string `json:"after,omitzero"`
	Limit  int    `json:"limit,omitzero"`
	Desc   bool   `json:"desc,omitzero"`
	AsOfMs int64  `json:"asOfMs,omitzero"`

	// Of a run.
	Run *Run `json:"run,omitzero"`
}

// Reads reports whether the operation changes nothing, so that it may be done
// again.
func (o *Operation) Reads() bool {
	switch o.Op {
	case OpGet, OpExists, OpBucket, OpPrefix, OpRange:
		return true
	}
	return false
}

// Answer is the answer to an Operation; which member it has depends on Op.
type Answer struct {
	N      int64   `json:"n,omitzero"`
	Found  *bool   `json:"found,omitzero"`  // get, exists
	Entry  *Entry  `json:"entry,omitzero"`  // get, when it is found
	Write  *Write  `json:"write,omitzero"`  // set, delete, extend
	Page   *Page   `json:"page,omitzero"`   // bucket, prefix, range
	Result *Result `json:"result,omitzero"` // run
	// Outcome is that of a commit or rollback.
	Outcome string `json:"outcome,omitzero"`
}

// Wrote takes over what a write did.
func (a *Answer) Wrote(w kahuna.WriteResult, err error) error {
	if err != nil {
		return err
	}
	o := WriteOf(w)
	a.Write = &o
	return nil
}

// DecodeOperation reads an operation strictly. The error says what is wrong with
// it.
func DecodeOperation(data []byte) (*Operation, error) {
	var o Operation
	if err := json.Unmarshal(data, &o, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(Operations, o.Op):
		return nil, fmt.Errorf("op must be one of %s, got %q", strings.Join(Operations, ", "), o.Op)
	case o.N < 0:
		return nil, fmt.Errorf("n must not be negative, got %d", o.N)
	case o.Space != "" && o.Space != "persistent" && o.Space != "ephemeral":
		return nil, fmt.Errorf("space must be persistent or ephemeral, got %q", o.Space)
	case o.Op == OpSet && o.Value == nil:
		return nil, errors.New("the member value is missing")
	case o.Op == OpExtend && o.TTL == "":
		return nil, errors.New("the member ttl is missing; \"0\" is for ever")
	case (o.Op == OpRun) != (o.Run != nil):
		return nil, errors.New("the member run belongs to the op run, which needs it")
	case o.Limit < 0:
		return nil, fmt.Errorf("limit must not be negative, got %d", o.Limit)
	case o.AsOfMs < 0:
		return nil, fmt.Errorf("asOfMs must be a time in Unix milliseconds, got %d", o.AsOfMs)
	case o.Run != nil:
		return &o, o.Run.check()
	}
	return &o, nil
}

// Set returns the value and the options of a set.
func (o *Operation) Set() (value string, set *kahuna.SetOptions, err error) {
	if value, err = inputText("value", o.Value); err != nil {
		return "", nil, err
	}
	set = &kahuna.SetOptions{NX: o.NX, XX: o.XX, Revision: o.Revision, KeepTTL: o.KeepTTL, NoHistory: o.NoHistory}
	if o.Equals != nil {
		text, err := inputText("equals", o.Equals)
		if err != nil {
			return "", nil, err
		}
		set.Equals = &text
	}
	set.TTL, err = o.Life()
	return value, set, err
}

// inputText returns the text of a member of a request.
func inputText(name string, v jsontext.Value) (string, error) {
	switch v.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, v)
		return string(text), err
	case '{':
		var b struct {
			Base64 *string `json:"base64"`
		}
		if err := json.Unmarshal(v, &b, json.RejectUnknownMembers(true)); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		if b.Base64 != nil {
			data, err := base64.StdEncoding.DecodeString(*b.Base64)
			if err != nil {
				return "", fmt.Errorf("%s is not base64: %w", name, err)
			}
			return string(data), nil
		}
	}
	return "", fmt.Errorf("%s must be a text or {\"base64\": \"...\"}", name)
}

// SetOf returns the operation of a set.
func SetOf(key, value string, set *kahuna.SetOptions) *Operation {
	o := &Operation{Op: OpSet, Key: key, Value: stringOf(value)}
	if set == nil {
		return o
	}
	o.NX, o.XX, o.Revision, o.KeepTTL, o.NoHistory, o.TTL = set.NX, set.XX, set.Revision, set.KeepTTL, set.NoHistory, DurationText(set.TTL)
	if set.Equals != nil {
		o.Equals = stringOf(*set.Equals)
	}
	return o
}

// Life returns the time to live.
func (o *Operation) Life() (time.Duration, error) { return positive("ttl", o.TTL) }

// positive reads a time that must not be negative.
func positive(name, text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	return duration(name, text)
}
