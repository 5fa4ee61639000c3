package listappend

import (
	"fmt"
	"strconv"
	"strings"

	"kahuna/internal/history"
)

// The text form of a history has a transaction a line:
//
//	T1 4-9 applied {fast instant}: append x 1, read y [1 2], scan z [], lease l 3 until 500
//
// 4-9 are the numbers of its call and its return; 4- has not returned.

// String returns t in the text form.
func (t *Txn) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d-", t.ID, t.Call)
	if t.Return != history.Never {
		fmt.Fprintf(&b, "%d", t.Return)
	}
	fmt.Fprintf(&b, " %v", t.Outcome)
	tags := t.Tags
	if t.Instant {
		tags = append([]string{"instant"}, tags...)
	}
	if len(tags) > 0 {
		fmt.Fprintf(&b, " {%s}", strings.Join(tags, " "))
	}
	b.WriteByte(':')
	for i := range t.Ops {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte(' ')
		b.WriteString(t.Ops[i].String())
	}
	return b.String()
}

// String returns o in the text form.
func (o *Op) String() string {
	s := o.Kind.String() + " " + o.Key + " "
	if o.Kind == Read || o.Kind == Scan {
		return s + strings.ReplaceAll(fmt.Sprint(o.List), ",", " ")
	}
	s += strconv.Itoa(o.Elem)
	if o.Until != 0 {
		s += fmt.Sprintf(" until %d", o.Until)
	}
	return s
}

// Format returns a history in the text form.
func Format(txns []Txn) string {
	var b strings.Builder
	for i := range txns {
		b.WriteString(txns[i].String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Parse reads the text form. Empty lines and those that begin with # count for
// nothing.
func Parse(text string) ([]Txn, error) {
	var txns []Txn
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		t, err := parseTxn(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		txns = append(txns, t)
	}
	return txns, nil
}

func parseTxn(line string) (Txn, error) {
	var t Txn
	head, ops, found := strings.Cut(line, ":")
	if !found {
		return t, fmt.Errorf("no colon in %q", line)
	}
	head, tags, _ := strings.Cut(head, "{")
	for _, tag := range strings.Fields(strings.TrimSuffix(strings.TrimSpace(tags), "}")) {
		if tag == "instant" {
			t.Instant = true
		} else {
			t.Tags = append(t.Tags, tag)
		}
	}
	words := strings.Fields(head)
	if len(words) != 3 {
		return t, fmt.Errorf("want \"ID call-return outcome\", got %q", head)
	}
	t.ID = words[0]
	call, ret, _ := strings.Cut(words[1], "-")
	var err error
	if t.Call, err = strconv.ParseInt(call, 10, 64); err != nil {
		return t, err
	}
	t.Return = history.Never
	if ret != "" {
		if t.Return, err = strconv.ParseInt(ret, 10, 64); err != nil {
			return t, err
		}
	}
	switch words[2] {
	case history.Applied.String():
	case history.NotApplied.String():
		t.Outcome = history.NotApplied
	case history.Unknown.String():
		t.Outcome = history.Unknown
	default:
		return t, fmt.Errorf("unknown outcome %q", words[2])
	}
	for _, text := range strings.Split(ops, ",") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		op, err := parseOp(text)
		if err != nil {
			return t, err
		}
		t.Ops = append(t.Ops, op)
	}
	return t, nil
}

func parseOp(text string) (Op, error) {
	words := strings.Fields(strings.NewReplacer("[", " ", "]", " ").Replace(text))
	if len(words) < 2 {
		return Op{}, fmt.Errorf("no operation: %q", text)
	}
	op := Op{Key: words[1]}
	numbers, isRead := words[2:], false
	switch words[0] {
	case "append":
	case "lease":
		op.Kind = Lease
	case "read":
		op.Kind, isRead = Read, true
	case "scan":
		op.Kind, isRead = Scan, true
	default:
		return Op{}, fmt.Errorf("unknown operation %q", words[0])
	}
	if n := len(numbers); n >= 2 && numbers[n-2] == "until" {
		var err error
		if op.Until, err = strconv.ParseInt(numbers[n-1], 10, 64); err != nil {
			return Op{}, err
		}
		numbers = numbers[:n-2]
	}
	var list []int
	for _, word := range numbers {
		n, err := strconv.Atoi(word)
		if err != nil {
			return Op{}, err
		}
		list = append(list, n)
	}
	switch {
	case isRead:
		op.List = list
	case len(list) != 1:
		return Op{}, fmt.Errorf("%q has one element, got %q", words[0], text)
	default:
		op.Elem = list[0]
	}
	return op, nil
}
