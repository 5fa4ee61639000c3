package restwire

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"kahuna"
	"kahuna/script"
)

// Run is a request to run a script.
type Run struct {
	Script string `json:"script,omitzero"`
	// Hash is the SHA-256 of the script in hexadecimal. With the script it has the
	// server keep it, without it the server takes the one that it has kept.
	Hash string `json:"hash,omitzero"`
	// Params are typed: 3 is an int64, 3.0 a float64.
	Params map[string]jsontext.Value `json:"params,omitzero"`
	// ParamsBase64 are texts that are not UTF-8.
	ParamsBase64   map[string]string `json:"paramsBase64,omitzero"`
	Timeout        string            `json:"timeout,omitzero"`       // such as "5s"
	AdmissionWait  string            `json:"admissionWait,omitzero"` // likewise
	Priority       string            `json:"priority,omitzero"`
	IdempotencyKey string            `json:"idempotencyKey,omitzero"`
}

// DecodeRun reads a request strictly. The error says what is wrong with it.
func DecodeRun(data []byte) (*Run, error) {
	var r Run
	err := json.Unmarshal(data, &r, json.RejectUnknownMembers(true))
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return nil, fmt.Errorf("%w; the members are script, hash, params, paramsBase64, timeout, admissionWait, priority and idempotencyKey", err)
	case err != nil:
		return nil, err
	}
	return &r, r.check()
}

// check refuses a request without a script.
func (r *Run) check() error {
	switch {
	case r.Script == "" && r.Hash == "":
		return errors.New("the member script is missing or empty")
	case r.Hash != "" && r.Script != "" && r.Hash != HashOf(r.Script):
		return errors.New("hash is not the SHA-256 of script, in lower case hexadecimal")
	}
	return nil
}

// HashOf returns what Run.Hash is for a script.
func HashOf(source string) string {
	sum := sha256.Sum256([]byte(source))
	return hex.EncodeToString(sum[:])
}

// Decode returns the parameters and the options. The error says what is wrong
// with them, and belongs to code.
func (r *Run) Decode() (params kahuna.Params, o *kahuna.RunOptions, code kahuna.Code, err error) {
	params = kahuna.Params{}
	for name, raw := range r.Params {
		v, err := script.ParseJSON(string(raw))
		if err != nil {
			var e *script.Error
			if errors.As(err, &e) && e.Code == script.CodeLimit {
				return nil, nil, kahuna.CodeLimit, fmt.Errorf("parameter @%s: %s", name, e.Message)
			}
			return nil, nil, kahuna.CodeBadParameter, fmt.Errorf("parameter @%s: %w", name, err)
		}
		params[name] = v
	}
	for name, text := range r.ParamsBase64 {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, nil, kahuna.CodeBadParameter, fmt.Errorf("parameter @%s is not base64: %w", name, err)
		}
		if _, twice := params[name]; twice {
			return nil, nil, kahuna.CodeBadParameter, fmt.Errorf("parameter @%s is given twice", name)
		}
		params[name] = string(data)
	}
	o = &kahuna.RunOptions{IdempotencyKey: r.IdempotencyKey}
	if o.Timeout, err = duration("timeout", r.Timeout); err == nil {
		if o.AdmissionWait, err = duration("admissionWait", r.AdmissionWait); err == nil {
			o.Priority, err = priority(r.Priority)
		}
	}
	return params, o, kahuna.CodeBadRequest, err
}

func duration(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 && name != "admissionWait" {
		return 0, fmt.Errorf("%s must be a time with its unit, such as 5s or 250ms, got %q", name, text)
	}
	return d, nil
}

// priorities are the names of the priorities, by their number.
var priorities = []string{"", "background", "low", "normal", "high", "critical"}

func priority(name string) (kahuna.Priority, error) {
	i := slices.Index(priorities, name)
	if i < 0 {
		return 0, fmt.Errorf("priority must be one of %s, got %q", strings.Join(priorities[1:], ", "), name)
	}
	return kahuna.Priority(i), nil
}

// RunOf returns the request for a script. The error is an *kahuna.Error.
func RunOf(source string, params kahuna.Params, o *kahuna.RunOptions) (*Run, error) {
	r := &Run{Script: source}
	for name, x := range params {
		v, err := script.ValueOf(x)
		if err == nil {
			err = r.param(name, v)
		}
		if err != nil {
			return nil, ParamError(name, err)
		}
	}
	if o == nil {
		return r, nil
	}
	r.IdempotencyKey = o.IdempotencyKey
	if o.Timeout > 0 {
		r.Timeout = o.Timeout.String()
	}
	if o.AdmissionWait != 0 {
		r.AdmissionWait = o.AdmissionWait.String()
	}
	r.Priority = priorities[min(int(o.Priority), len(priorities)-1)]
	return r, nil
}

// ParamError returns err, of the parameter of that name, as an *kahuna.Error.
func ParamError(name string, err error) error {
	e := &kahuna.Error{Op: "run", Code: kahuna.CodeBadParameter, Message: fmt.Sprintf("parameter @%s: %v", strings.TrimPrefix(name, "@"), err)}
	var cause *script.Error
	if errors.As(err, &cause) {
		e.Code, e.Hint = kahuna.Code(cause.Code), cause.Hint
		e.Message = fmt.Sprintf("parameter @%s: %s", strings.TrimPrefix(name, "@"), cause.Message)
	}
	return e
}

// param adds a parameter.
func (r *Run) param(name string, v script.Value) error {
	if v.Kind() == script.KindString && !utf8.ValidString(v.Str()) {
		if r.ParamsBase64 == nil {
			r.ParamsBase64 = map[string]string{}
		}
		r.ParamsBase64[name] = base64.StdEncoding.EncodeToString([]byte(v.Str()))
		return nil
	}
	raw, err := AppendValue(nil, v)
	if err != nil {
		return err
	}
	if r.Params == nil {
		r.Params = map[string]jsontext.Value{}
	}
	r.Params[name] = raw
	return nil
}

// AppendValue appends v as JSON from which script.ParseJSON makes it again.
func AppendValue(b []byte, v script.Value) ([]byte, error) {
	var err error
	switch v.Kind() {
	case script.KindBool:
		return strconv.AppendBool(b, v.Bool()), nil
	case script.KindInt:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case script.KindFloat:
		start := len(b)
		b = strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
		if !strings.ContainsAny(string(b[start:]), ".e") {
			b = append(b, ".0"...) // no int64
		}
		return b, nil
	case script.KindString:
		if !utf8.ValidString(v.Str()) {
			return nil, errors.New("a text inside an array or map is not UTF-8; send it as a parameter of its own, or in base64")
		}
		return jsontext.AppendQuote(b, v.Str())
	case script.KindArray:
		b = append(b, '[')
		for i, e := range v.Elems() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = AppendValue(b, e); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case script.KindMap:
		b = append(b, '{')
		elems := v.Elems()
		for i, name := range v.Names() {
			if i > 0 {
				b = append(b, ',')
			}
			if !utf8.ValidString(name) {
				return nil, errors.New("the name of a member is not UTF-8")
			}
			if b, err = jsontext.AppendQuote(b, name); err != nil {
				return nil, err
			}
			if b, err = AppendValue(append(b, ':'), elems[i]); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	return append(b, "null"...), nil
}

// SetText sets a parameter to a text, of any bytes.
func (r *Run) SetText(name, text string) {
	if utf8.ValidString(text) {
		r.Params[name] = stringOf(text)
		return
	}
	r.ParamsBase64[name] = base64.StdEncoding.EncodeToString([]byte(text))
}

// EncodeRun returns r as JSON. The error is that of a text that is not UTF-8.
func EncodeRun(r *Run) ([]byte, error) { return json.Marshal(r) }
