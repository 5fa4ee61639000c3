package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"kahuna/script/syntax"
)

// historyMax is how many entries the history keeps.
const historyMax = 2000

// historyFile is where the user's history stands: in the directory for state, as
// the XDG specification has it. It is empty when the user has none.
func historyFile(getenv func(string) string) string {
	dir := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "kahuna", "history")
}

// history is what was entered, the oldest first, also in earlier sessions. The
// values of parameters are never in it. The file has one JSON string a line, so
// that several shells can append to it.
type history struct {
	file    string // "" when it is not kept
	entries []string
}

// openHistory reads the history. With an error it is one that is not kept.
func openHistory(file string) (*history, error) {
	h := &history{file: file}
	if file == "" {
		return h, nil
	}
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &history{}, err
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	cut := len(lines) > 2*historyMax
	for _, line := range lines[max(0, len(lines)-historyMax):] {
		var entry string
		if json.Unmarshal([]byte(line), &entry) == nil && entry != "" { // a torn line is none
			h.entries = append(h.entries, entry)
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return &history{entries: h.entries}, err
	}
	if cut {
		var all strings.Builder
		for _, entry := range h.entries {
			all.WriteString(jsonLine(entry))
		}
		return h, os.WriteFile(file, []byte(all.String()), 0o600)
	}
	return h, nil
}

// Write appends an entry and returns how many there are.
func (h *history) Write(entry string) (int, error) {
	entry = withoutValues(strings.TrimSpace(entry))
	if entry == "" || len(h.entries) > 0 && h.entries[len(h.entries)-1] == entry {
		return len(h.entries), nil
	}
	h.entries = append(h.entries, entry)
	if h.file == "" {
		return len(h.entries), nil
	}
	f, err := os.OpenFile(h.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return len(h.entries), err
	}
	_, err = f.WriteString(jsonLine(entry))
	return len(h.entries), errors.Join(err, f.Close())
}

// GetLine returns an entry, counted from 0.
func (h *history) GetLine(i int) (string, error) {
	if i < 0 || i >= len(h.entries) {
		return "", errors.New("there is no such entry")
	}
	return h.entries[i], nil
}

// Len returns how many entries there are.
func (h *history) Len() int { return len(h.entries) }

// Dump returns all entries.
func (h *history) Dump() any { return h.entries }

// assigned matches NAME=VALUE.
var assigned = regexp.MustCompile(`[A-Za-z_]\w*:?=\S`)

// withoutValues is an entry without the values of parameters, "" when nothing is
// left of it. A line that begins neither a script nor a command may be a misspelt
// command with a parameter.
func withoutValues(entry string) string {
	switch word, rest := localCommand(entry); word {
	case "param":
		return ""
	case "run":
		file, _ := cutParams(rest)
		return "run " + file
	case "":
		first := strings.ToLower(firstWord.FindString(entry))
		if !strings.HasPrefix(entry, "#") && !slices.Contains(syntax.Keywords(), first) && assigned.MatchString(entry) {
			return ""
		}
	}
	return entry
}

var firstWord = regexp.MustCompile(`^[\w-]*`)
