package main

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"kahuna"
	"kahuna/script/check"
	"kahuna/script/syntax"
)

// candidate is one way to go on with a word.
type candidate struct{ text, what, kind string }

var (
	lastWord = regexp.MustCompile("(?:`[^`\n]*|@?[A-Za-z0-9_]*)$")
	defined  = regexp.MustCompile(`(?i)\b(?:let|for)\s+([a-z_]\w*)(?:\s*,\s*([a-z_]\w*))?`)
	askedFor = regexp.MustCompile(`@\w+`)
)

// keysMax is how many keys of the store are offered, and keysWait how long they
// may take.
const (
	keysMax  = 50
	keysWait = 300 * time.Millisecond
)

// candidates returns the word at the end of a text, and how it may go on: keys of
// the store behind a backtick, parameters behind an @, nothing in a string or comment, else commands of the
// shell, variables, keywords and functions with what they take.
func (c *cli) candidates(ctx context.Context, before string) (word string, list []candidate) {
	word = lastWord.FindString(before)
	add := func(kind, text, what string) {
		same := func(c candidate) bool { return c.text == text }
		if strings.HasPrefix(strings.ToLower(text), strings.ToLower(word)) && text != word && !slices.ContainsFunc(list, same) {
			list = append(list, candidate{text, what, kind})
		}
	}
	var open nesting
	open.add(strings.TrimSuffix(before, word))
	switch {
	case open.within != 0: // a string or a comment is the user's own
		return word, nil
	case strings.HasPrefix(word, "`"):
		for _, text := range c.keysLike(ctx, word[1:]) {
			add("keys", "`"+text, "")
		}
		return word, list
	case strings.HasPrefix(word, "@"):
		for name := range c.params {
			add("parameters", "@"+name, "")
		}
		for _, name := range askedFor.FindAllString(strings.TrimSuffix(before, word), -1) {
			add("parameters", name, "")
		}
		return word, list
	}
	if strings.TrimSpace(before) == word {
		for _, l := range locals {
			add("commands of the shell", l.name, l.what)
		}
	}
	for _, m := range defined.FindAllStringSubmatch(strings.TrimSuffix(before, word), -1) {
		for _, name := range m[1:] {
			if name != "" {
				add("variables", name, "")
			}
		}
	}
	if word == "" {
		return word, list
	}
	for _, name := range syntax.Keywords() {
		add("keywords", name, "")
	}
	for _, name := range check.FunctionNames() {
		add("functions", name+"(", signature(name))
	}
	return word, list
}

// keysLike returns keys that begin with a prefix, those of a bucket below it as
// the bucket.
func (c *cli) keysLike(ctx context.Context, prefix string) (list []string) {
	ctx, cancel := context.WithTimeout(ctx, keysWait)
	defer cancel()
	o := &kahuna.RangeOptions{Limit: keysMax}
	for len(list) < keysMax {
		next := ""
		for e, err := range c.db.Prefix(ctx, prefix, o) {
			if err != nil {
				return list
			}
			if i := strings.IndexByte(e.Key[len(prefix):], '/'); i >= 0 {
				next = e.Key[:len(prefix)+i+1]
				list = append(list, next)
				break
			}
			list = append(list, e.Key)
		}
		if next == "" {
			return list
		}
		o.After = next[:len(next)-1] + "0" // behind every key of that bucket
	}
	return list
}
