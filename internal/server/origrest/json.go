package origrest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"

	"kahuna/internal/wirepb"
)

// parse reads one JSON object. Numbers stay as they are written.
func parse(body []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the object")
	}
	return v, nil
}

// shape says where the members of an object go in a message.
type shape struct {
	// members are the fields by their names in lower case. Of a timestamp it is the
	// first of its three.
	members map[string]protoreflect.FieldDescriptor
}

// The endings of the three fields of a timestamp.
const (
	nodeEnding     = "Node"
	physicalEnding = "Physical"
	counterEnding  = "Counter"
)

var shapes sync.Map // of shape by protoreflect.FullName

func shapeOf(d protoreflect.MessageDescriptor) shape {
	if s, ok := shapes.Load(d.FullName()); ok {
		return s.(shape)
	}
	s := shape{map[string]protoreflect.FieldDescriptor{}}
	fields := d.Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		s.members[strings.ToLower(string(f.Name()))] = f
		if base, ok := timestampName(f); ok {
			s.members[strings.ToLower(base)] = f
		}
	}
	shapes.Store(d.FullName(), s)
	return s
}

// timestampName returns the name of the timestamp that f is the first field of.
func timestampName(f protoreflect.FieldDescriptor) (string, bool) {
	base, ok := strings.CutSuffix(string(f.Name()), nodeEnding)
	return base, ok && f.ContainingMessage().Fields().ByName(protoreflect.Name(base+physicalEnding)) != nil
}

// read puts the members of an object into m. defaults, when not nil, prepares the
// messages of a list. The error says what is wrong with which member.
func read(m protoreflect.Message, object map[string]any, defaults func(protoreflect.Message)) error {
	s := shapeOf(m.Descriptor())
	for name, v := range object {
		f := s.members[strings.ToLower(name)]
		if f == nil || v == nil {
			continue // unknown, or none
		}
		if err := readMember(m, f, v, defaults); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func readMember(m protoreflect.Message, f protoreflect.FieldDescriptor, v any, defaults func(protoreflect.Message)) error {
	if object, ok := v.(map[string]any); ok {
		if base, is := timestampName(f); is {
			return readTimestamp(m, base, object)
		}
	}
	if !f.IsList() {
		value, err := scalar(f, v)
		if err == nil && value.IsValid() {
			m.Set(f, value)
		}
		return err
	}
	elements, ok := v.([]any)
	if !ok || f.Kind() != protoreflect.MessageKind {
		return errors.New("it must be an array")
	}
	list := m.Mutable(f).List()
	for i, e := range elements {
		object, ok := e.(map[string]any)
		if !ok {
			return fmt.Errorf("element %d must be an object", i)
		}
		item := list.AppendMutable().Message()
		if defaults != nil {
			defaults(item)
		}
		if err := read(item, object, nil); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// readTimestamp reads {"n":…,"l":…,"c":…}.
func readTimestamp(m protoreflect.Message, base string, object map[string]any) error {
	for name, v := range object {
		ending := ""
		switch strings.ToLower(name) {
		case "n":
			ending = nodeEnding
		case "l":
			ending = physicalEnding
		case "c":
			ending = counterEnding
		}
		if ending == "" || v == nil {
			continue
		}
		f := m.Descriptor().Fields().ByName(protoreflect.Name(base + ending))
		value, err := scalar(f, v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		m.Set(f, value)
	}
	return nil
}

// scalar returns v as the value of a field. An empty text is no bytes.
func scalar(f protoreflect.FieldDescriptor, v any) (none protoreflect.Value, err error) {
	if f.Kind() == protoreflect.EnumKind {
		n, err := enumNumber(f.Enum(), v)
		return protoreflect.ValueOfEnum(n), err
	}
	switch f.Kind() {
	case protoreflect.BoolKind:
		if b, ok := v.(bool); ok {
			return protoreflect.ValueOfBool(b), nil
		}
		return none, errors.New("it must be true or false")
	case protoreflect.StringKind:
		if s, ok := v.(string); ok {
			return protoreflect.ValueOfString(s), nil
		}
		return none, errors.New("it must be a text")
	case protoreflect.BytesKind:
		s, ok := v.(string)
		if !ok {
			return none, errors.New("it must be a text in base64")
		}
		if s == "" {
			return none, nil
		}
		data, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return none, errors.New("it is not base64 with padding")
		}
		return protoreflect.ValueOfBytes(data), nil
	}
	text, err := number(v)
	if err != nil {
		return none, err
	}
	switch f.Kind() {
	case protoreflect.Int32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		return protoreflect.ValueOfInt32(int32(n)), whole(err)
	case protoreflect.Int64Kind:
		n, err := strconv.ParseInt(text, 10, 64)
		return protoreflect.ValueOfInt64(n), whole(err)
	case protoreflect.Uint32Kind:
		n, err := strconv.ParseUint(text, 10, 32)
		return protoreflect.ValueOfUint32(uint32(n)), whole(err)
	case protoreflect.Uint64Kind:
		n, err := strconv.ParseUint(text, 10, 64)
		return protoreflect.ValueOfUint64(n), whole(err)
	}
	return none, errors.New("it cannot be given")
}

// number returns the digits of a number, which may be written as a text.
func number(v any) (string, error) {
	switch v := v.(type) {
	case json.Number:
		return v.String(), nil
	case string:
		return v, nil
	}
	return "", errors.New("it must be a whole number")
}

func whole(err error) error {
	if err != nil {
		return errors.New("it must be a whole number that fits")
	}
	return nil
}

// enumNumber returns the number of an enum, which may be given by name; of flags,
// by several.
func enumNumber(d protoreflect.EnumDescriptor, v any) (protoreflect.EnumNumber, error) {
	text, err := number(v)
	if err != nil {
		return 0, err
	}
	shift := int64(0)
	if d.FullName() == priorityName {
		shift = 1 // in JSON each priority is one less
	}
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return protoreflect.EnumNumber(n + shift), nil
	}
	sum := protoreflect.EnumNumber(0)
	for part := range strings.SplitSeq(text, ",") {
		n, ok := enumNamed(d, strings.TrimSpace(part))
		if !ok {
			return 0, fmt.Errorf("there is no %q", part)
		}
		sum |= n
	}
	return sum, nil
}

var (
	priorityName = wirepb.Priority(0).Descriptor().FullName()
	kindName     = wirepb.ValueKind(0).Descriptor().FullName()
)

// enumNamed finds IfNotExists as FLAGS_IF_NOT_EXISTS.
func enumNamed(d protoreflect.EnumDescriptor, name string) (protoreflect.EnumNumber, bool) {
	values := d.Values()
	prefix := commonPrefix(values)
	for i := range values.Len() {
		full := strings.TrimPrefix(string(values.Get(i).Name()), prefix)
		if name != "" && strings.EqualFold(strings.ReplaceAll(full, "_", ""), strings.ReplaceAll(name, "_", "")) {
			return values.Get(i).Number(), true
		}
	}
	return 0, false
}

// commonPrefix is what the names of all values of an enum begin with: its own
// name.
func commonPrefix(values protoreflect.EnumValueDescriptors) string {
	var b strings.Builder
	for i, r := range string(values.Get(0).Parent().Name()) {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String()) + "_"
}

// write appends the members of m that names lists, in that order, and its detail.
// A name that the message has no field for is looked up in extra. "items(…)" is a
// list with the members of its elements.
func write(out []byte, m protoreflect.Message, members []member, extra map[string]string) []byte {
	out = append(out, '{')
	for i := range members {
		mb := &members[i]
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), mb.name...), `":`...)
		if raw, ok := extra[mb.name]; ok {
			out = append(out, raw...)
			continue
		}
		out = writeMember(out, m, mb)
	}
	if f := m.Descriptor().Fields().ByName("Detail"); f != nil && m.Has(f) {
		if len(members) > 0 {
			out = append(out, ',')
		}
		out = writeDetail(append(out, `"detail":`...), m.Get(f).Message().Interface().(*wirepb.Detail))
	}
	return append(out, '}')
}

func writeMember(out []byte, m protoreflect.Message, mb *member) []byte {
	name := strings.ToUpper(mb.name[:1]) + mb.name[1:]
	fields := m.Descriptor().Fields()
	f := fields.ByName(protoreflect.Name(name))
	if f == nil {
		if node := fields.ByName(protoreflect.Name(name + nodeEnding)); node != nil {
			return writeTimestamp(out, m, name)
		}
		return append(out, "null"...)
	}
	if f.IsList() {
		return writeList(out, m.Get(f).List(), mb.of)
	}
	if f.HasPresence() && !m.Has(f) || mb.nullable && m.Get(f).String() == "" {
		return append(out, "null"...)
	}
	if f.Kind() == protoreflect.MessageKind {
		return write(out, m.Get(f).Message(), mb.of, nil)
	}
	if f.Kind() == protoreflect.EnumKind && mb.named {
		return appendText(out, enumName(f.Enum(), m.Get(f).Enum()))
	}
	return writeScalar(out, f, m.Get(f))
}

func writeScalar(out []byte, f protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch f.Kind() {
	case protoreflect.EnumKind:
		if f.Enum().FullName() == kindName {
			return appendText(out, kindText(wirepb.ValueKind(v.Enum())))
		}
		return strconv.AppendInt(out, int64(v.Enum()), 10)
	case protoreflect.BoolKind:
		return strconv.AppendBool(out, v.Bool())
	case protoreflect.StringKind:
		return appendText(out, v.String())
	case protoreflect.BytesKind:
		out = append(out, '"')
		out = base64.StdEncoding.AppendEncode(out, v.Bytes())
		return append(out, '"')
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		return strconv.AppendUint(out, v.Uint(), 10)
	}
	return strconv.AppendInt(out, v.Int(), 10)
}

func writeTimestamp(out []byte, m protoreflect.Message, name string) []byte {
	get := func(ending string) protoreflect.Value {
		return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name + ending)))
	}
	out = strconv.AppendInt(append(out, `{"n":`...), get(nodeEnding).Int(), 10)
	out = strconv.AppendInt(append(out, `,"l":`...), get(physicalEnding).Int(), 10)
	out = strconv.AppendUint(append(out, `,"c":`...), get(counterEnding).Uint(), 10)
	return append(out, '}')
}

func writeList(out []byte, list protoreflect.List, members []member) []byte {
	out = append(out, '[')
	for i := range list.Len() {
		if i > 0 {
			out = append(out, ',')
		}
		out = write(out, list.Get(i).Message(), members, nil)
	}
	return append(out, ']')
}

func appendText(out []byte, s string) []byte {
	data, err := json.Marshal(s)
	if err != nil {
		return append(out, `""`...) // a text has no error
	}
	return append(out, data...)
}

// enumName writes MEMBER_ROLE_NOT_MEMBER as NotMember.
func enumName(d protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	v := d.Values().ByNumber(n)
	if v == nil {
		return strconv.Itoa(int(n))
	}
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(string(v.Name()), commonPrefix(d.Values())), "_") {
		b.WriteString(part[:1] + strings.ToLower(part[1:]))
	}
	return b.String()
}

// writeDetail writes what of a detail is set.
func writeDetail(out []byte, d *wirepb.Detail) []byte {
	type warning struct {
		Line   int32  `json:"line"`
		Column int32  `json:"column"`
		Text   string `json:"text"`
	}
	type diagnostic struct {
		Warning bool   `json:"warning,omitempty"`
		Code    string `json:"code"`
		Line    int32  `json:"line"`
		Column  int32  `json:"column"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
	}
	v := struct {
		Outcome     string       `json:"outcome"`
		Code        string       `json:"code,omitempty"`
		Message     string       `json:"message,omitempty"`
		Hint        string       `json:"hint,omitempty"`
		UserCode    string       `json:"userCode,omitempty"`
		Line        int32        `json:"line,omitempty"`
		Column      int32        `json:"column,omitempty"`
		Source      string       `json:"source,omitempty"`
		Op          string       `json:"op,omitempty"`
		Key         string       `json:"key,omitempty"`
		Retry       bool         `json:"retry,omitempty"`
		List        bool         `json:"list,omitempty"`
		Warnings    []warning    `json:"warnings,omitempty"`
		Diagnostics []diagnostic `json:"diagnostics,omitempty"`
	}{Outcome: outcomeText(d.Outcome), Code: d.Code, Message: d.Message, Hint: d.Hint, UserCode: d.UserCode, Line: d.Line, Column: d.Column,
		Source: d.Source, Op: d.Op, Key: d.Key, Retry: d.Retry, List: d.List}
	for _, w := range d.Warnings {
		v.Warnings = append(v.Warnings, warning{w.Line, w.Column, w.Text})
	}
	for _, x := range d.Diagnostics {
		v.Diagnostics = append(v.Diagnostics, diagnostic{x.Warning, x.Code, x.Line, x.Column, x.Message, x.Hint})
	}
	data, err := json.Marshal(v)
	if err != nil {
		return append(out, "null"...) // it is plain
	}
	return append(out, data...)
}

func outcomeText(o wirepb.Outcome) string {
	switch o {
	case wirepb.Outcome_OUTCOME_APPLIED:
		return "applied"
	case wirepb.Outcome_OUTCOME_UNKNOWN:
		return "unknown"
	}
	return "not_applied"
}
