package spec

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"kahuna/script"
)

// cursor reads the items of a field: words, JSON strings, marks.
type cursor struct{ s string }

func (c *cursor) space() { c.s = strings.TrimLeft(c.s, " \t") }

func (c *cursor) done() bool { c.space(); return c.s == "" }

// take removes prefix if it is next.
func (c *cursor) take(prefix string) bool {
	rest, ok := strings.CutPrefix(c.s, prefix)
	if ok {
		c.s = rest
	}
	return ok
}

// word returns the text up to a space or comma.
func (c *cursor) word() string {
	i := strings.IndexAny(c.s, " \t,")
	if i < 0 {
		i = len(c.s)
	}
	w := c.s[:i]
	c.s = c.s[i:]
	return w
}

// quoted returns a JSON string. Inside one, \xHH stands for a byte, so that a
// case can hold what is not UTF-8.
func (c *cursor) quoted() (string, error) {
	if !strings.HasPrefix(c.s, `"`) {
		return "", fmt.Errorf("expected a text in double quotes at %q", c.s)
	}
	end := 1
	for end < len(c.s) && c.s[end] != '"' {
		if c.s[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(c.s) {
		return "", fmt.Errorf("text is not closed: %q", c.s)
	}
	raw := c.s[:end+1]
	c.s = c.s[end+1:]
	return unquote(raw)
}

func unquote(raw string) (string, error) {
	var out strings.Builder
	for {
		i := byteEscape(raw)
		if i < 0 || i+4 > len(raw) {
			break
		}
		var head string
		if err := json.Unmarshal([]byte(raw[:i]+`"`), &head); err != nil {
			return "", fmt.Errorf("%s: %w", raw, err)
		}
		b, err := hex.DecodeString(raw[i+2 : i+4])
		if err != nil {
			return "", fmt.Errorf("%s: %w", raw, err)
		}
		out.WriteString(head)
		out.Write(b)
		raw = `"` + raw[i+4:]
	}
	var tail string
	if err := json.Unmarshal([]byte(raw), &tail); err != nil {
		return "", fmt.Errorf("%s: %w", raw, err)
	}
	return out.String() + tail, nil
}

// byteEscape returns where the first \x stands that no backslash escapes.
func byteEscape(raw string) int {
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		if raw[i+1] == 'x' {
			return i
		}
		i++
	}
	return -1
}

// number returns the integer that is next.
func (c *cursor) number() (int64, error) {
	i := 0
	for i < len(c.s) && (c.s[i] == '-' && i == 0 || c.s[i] >= '0' && c.s[i] <= '9') {
		i++
	}
	n, err := strconv.ParseInt(c.s[:i], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("expected a number at %q", c.s)
	}
	c.s = c.s[i:]
	return n, nil
}

// list calls item for each item of a comma-separated list.
func list(text string, item func(c *cursor) error) error {
	c := &cursor{text}
	for {
		c.space()
		if err := item(c); err != nil {
			return err
		}
		if c.done() {
			return nil
		}
		if !c.take(",") {
			return fmt.Errorf("expected ',' at %q", c.s)
		}
	}
}

// key reads a row's key: a JSON string, or the text up to one of the ends.
func (c *cursor) key(ends ...string) (string, error) {
	if strings.HasPrefix(c.s, `"`) {
		return c.quoted()
	}
	best := -1
	for _, end := range ends {
		if i := strings.Index(c.s, end); i > 0 && (best < 0 || i < best) {
			best = i
		}
	}
	if best < 0 {
		return "", fmt.Errorf("expected a key at %q", c.s)
	}
	key := c.s[:best]
	c.s = c.s[best:]
	return key, nil
}

// parseRow reads
//
//	[e:]key="value"@revision [ttl=ms] [expired] [norev]
//	[e:]key deleted@revision
//	[e:]key absent
func parseRow(c *cursor) (Row, error) {
	var r Row
	if c.take("e:") {
		r.Space = script.Ephemeral
	}
	var err error
	if r.Key, err = c.key(`="`, " deleted@", " absent"); err != nil {
		return r, err
	}
	switch {
	case c.take(" absent"):
		r.Absent, r.Revision = true, -1
		return r, nil
	case c.take(" deleted@"):
		r.Deleted = true
		r.Revision, err = c.number()
		return r, err
	case !c.take("="):
		return r, fmt.Errorf("expected '=', 'deleted@' or 'absent' at %q", c.s)
	}
	if r.Value, err = c.quoted(); err != nil {
		return r, err
	}
	r.Revision = -1
	if c.take("@") {
		if r.Revision, err = c.number(); err != nil {
			return r, err
		}
	}
	for c.space(); c.s != "" && c.s[0] != ','; c.space() {
		switch {
		case c.take("ttl="):
			r.HasTTL = true
			if r.TTL, err = c.number(); err != nil {
				return r, err
			}
		case c.take("expired"):
			r.Expired = true
		case c.take("norev"):
			r.NoRev = true
		default:
			return r, fmt.Errorf("unexpected %q after a row", c.s)
		}
	}
	return r, nil
}

func parseRows(text string) (rows []Row, err error) {
	err = list(text, func(c *cursor) error {
		r, err := parseRow(c)
		rows = append(rows, r)
		return err
	})
	return rows, err
}

// parseParams reads name=text, name="text", name:=JSON and name:hex=bytes.
func parseParams(text string) (params []Param, err error) {
	err = list(text, func(c *cursor) error {
		i := strings.IndexAny(c.s, "=:")
		if i < 0 {
			return fmt.Errorf("expected name=value at %q", c.s)
		}
		p := Param{Name: c.s[:i]}
		c.s = c.s[i:]
		var err error
		switch {
		case c.take(":="):
			p.Value, err = c.json()
		case c.take(":hex="):
			p.Value, err = hex.DecodeString(c.word())
		case c.take("=") && strings.HasPrefix(c.s, `"`):
			p.Value, err = c.quoted()
		default:
			p.Value = c.word()
		}
		params = append(params, p)
		return err
	})
	return params, err
}

// json reads one JSON value as a parameter: whole numbers are int64, objects
// maps.
func (c *cursor) json() (any, error) {
	d := jsontext.NewDecoder(strings.NewReader(c.s), jsontext.AllowDuplicateNames(true))
	raw, err := d.ReadValue()
	if err != nil {
		return nil, fmt.Errorf("%q: %w", c.s, err)
	}
	c.s = c.s[d.InputOffset():]
	v, err := script.ParseJSON(string(raw))
	if err == nil && v.Kind() == script.KindString {
		return v.Str(), nil // which may be a time
	}
	return v, err
}

// typeNames are the types a success can have.
var typeNames = func() map[string]script.Type {
	names := map[string]script.Type{}
	for _, t := range []script.Type{
		script.TypeSet, script.TypeNotSet, script.TypeExtended, script.TypeGet, script.TypeDeleted,
		script.TypeCommitted, script.TypeExists, script.TypeDoesNotExist,
	} {
		names[t.String()] = t
	}
	return names
}()

// parseResult reads a type and its entries.
func parseResult(text string, w *Want) error {
	c := &cursor{text}
	name := c.word()
	t, ok := typeNames[name]
	if !ok {
		return fmt.Errorf("%q is no type of a success", name)
	}
	w.Type, w.Entries = &t, nil
	if c.done() {
		return nil
	}
	return list(c.s, func(c *cursor) error {
		e, err := parseEntry(c)
		w.Entries = append(w.Entries, e)
		return err
	})
}

// parseEntry reads [key:key] "value"|null rN|r- [ttl=ms|forever] [modified|unmodified].
func parseEntry(c *cursor) (e Entry, err error) {
	if c.take("key:") {
		if strings.HasPrefix(c.s, `"`) {
			if e.Key, err = c.quoted(); err != nil {
				return e, err
			}
		} else {
			e.Key = c.word()
		}
		c.space()
	}
	if e.Null = c.take("null"); !e.Null {
		if e.Value, err = c.quoted(); err != nil {
			return e, err
		}
	}
	c.space()
	switch {
	case c.take("r-"):
		e.Revision = -1
	case c.take("r"):
		if e.Revision, err = c.number(); err != nil {
			return e, err
		}
	default:
		return e, fmt.Errorf("expected a revision at %q", c.s)
	}
	for c.space(); c.s != "" && c.s[0] != ','; c.space() {
		yes, no := true, false
		switch {
		case c.take("ttl="):
			e.HasTTL = true
			if e.TTL, err = c.number(); err != nil {
				return e, err
			}
		case c.take("forever"):
			e.HasTTL = true
		case c.take("modified"):
			e.Modified = &yes
		case c.take("unmodified"):
			e.Modified = &no
		default:
			return e, fmt.Errorf("unexpected %q after an entry", c.s)
		}
	}
	return e, nil
}

// parseFailure reads code [at line[:column]] [reason "..."] [says "..."]...
func parseFailure(text string, w *Want) (err error) {
	c := &cursor{text}
	if w.Code = script.Code(c.word()); w.Code == "" {
		return errors.New("expected an error code")
	}
	for !c.done() {
		switch {
		case c.take("at "):
			err = parsePosition(c, &w.Line, &w.Column)
		case c.take("reason "):
			var reason string
			reason, err = c.quoted()
			w.Reason = &reason
		case c.take("says "):
			var says string
			says, err = c.quoted()
			w.Says = append(w.Says, says)
		default:
			err = fmt.Errorf("unexpected %q after an error", c.s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func parsePosition(c *cursor, line, column *int) error {
	n, err := c.number()
	*line = int(n)
	if err == nil && c.take(":") {
		n, err = c.number()
		*column = int(n)
	}
	return err
}

// parseWarnings reads line:column "text", or none.
func parseWarnings(text string) (ws []Warning, err error) {
	if strings.TrimSpace(text) == "none" {
		return nil, nil
	}
	err = list(text, func(c *cursor) (err error) {
		var w Warning
		if err = parsePosition(c, &w.Line, &w.Column); err == nil {
			c.space()
			w.Says, err = c.quoted()
		}
		ws = append(ws, w)
		return err
	})
	return ws, err
}
