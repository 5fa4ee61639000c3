package spec

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"kahuna/script"
)

// Case is one story: rows that are there, then scripts and what they answer.
type Case struct {
	Name  string
	File  string
	Line  int
	Given []Row
	Steps []Step
}

// Step is one script, or with an empty Source a pause or a mark.
type Step struct {
	Line   int
	Source string
	Params []Param
	// Key is the idempotency key; with Twice the request is sent two times
	// and both answers must be the wanted one, and the same.
	Key   string
	Twice bool
	Want  Want

	Wait time.Duration // pause this long
	Mark string        // remember the time under this name
}

// Param is one parameter. A text may be a time: see Expand.
type Param struct {
	Name  string
	Value any
}

// Row is a row before (given) or after (state).
type Row struct {
	Space    script.Space
	Key      string
	Value    string // may be a time: see Expand
	Revision int64  // -1 in a state: any
	TTL      int64  // milliseconds from now, 0 for no expiry
	HasTTL   bool   // state only: TTL is to be compared
	Deleted  bool
	Expired  bool // its time to live is over
	Absent   bool // state only: not live, whatever the reason
	NoRev    bool // given only: written with norev
}

// Want is what a script must answer. A part that is not written in the case
// is not compared.
type Want struct {
	// Code is the error's code; empty for a success.
	Code         script.Code
	Line, Column int // 0: any
	Reason       *string
	Says         []string

	Type    *script.Type
	Op      *script.Op
	Entries []Entry

	Warnings *[]Warning
	Console  *string

	State []Row
	// Only says that no key is live but those in State.
	Only bool
}

// Entry is a value entry of a result.
type Entry struct {
	Key      string
	Value    string // may be a time: see Expand
	Null     bool
	Revision int64
	HasTTL   bool  // TTL is to be compared
	TTL      int64 // 0: no expiry
	Modified *bool // whether there is a time of modification
}

// Warning is a wanted warning: where, and what its text says somewhere.
type Warning struct {
	Line, Column int
	Says         string
}

// timeText is a time as a case writes it: "$now", "$t1+500", and with a tilde
// in front for "about then".
var timeText = regexp.MustCompile(`^(~?)\$([a-z][a-z0-9]*)([+-][0-9]+)?$`)

// Times are the times a case has a name for, in Unix milliseconds of the
// store's clock: now, when the case began, and its marks.
type Times map[string]int64

// Expand returns text, or when it is a time, that time in Unix milliseconds;
// about tells that it was written with a tilde.
func (ts Times) Expand(text string) (out string, about bool, err error) {
	m := timeText.FindStringSubmatch(text)
	if m == nil {
		return text, false, nil
	}
	ms, ok := ts[m[2]]
	if !ok {
		return "", false, fmt.Errorf("time '$%s' has no mark", m[2])
	}
	if m[3] != "" {
		off, err := strconv.ParseInt(m[3], 10, 64)
		if err != nil {
			return "", false, err
		}
		ms += off
	}
	return strconv.FormatInt(ms, 10), m[1] != "", nil
}
