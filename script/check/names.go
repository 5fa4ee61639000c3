package check

import (
	"fmt"
	"slices"
	"strings"

	"kahuna/script/syntax"
)

// reads reports variables that are read but assigned nowhere, each name once,
// where it is read first.
func (c *checker) reads() {
	if c.gaps.script.Nameless {
		return
	}
	var reported map[string]bool
	for _, x := range c.readIdents {
		if _, ok := c.info.slots[x.Name]; ok || reported[x.Name] || c.gaps.mention(x.Name) || !x.Quoted && c.gaps.keyword(x.Name) {
			continue
		}
		if reported == nil {
			reported = make(map[string]bool)
		}
		reported[x.Name] = true
		c.errorAt(syntax.CodeUndefinedVariable, x.Pos, c.meant(x), fmt.Sprintf("undefined variable '%s'", x.Name))
	}
}

// absent are words that other languages use for null.
var absent = []string{"nil", "none", "undefined", "nothing"}

// suggestionsMax bounds how many unknown names of one script are compared with
// the known ones.
const suggestionsMax = 20

// meant guesses what the writer of an unknown variable had in mind.
func (c *checker) meant(x *syntax.Ident) string {
	if _, ok := c.info.params[x.Name]; ok {
		return didYouMean("@" + x.Name)
	}
	for _, w := range absent {
		if strings.EqualFold(x.Name, w) {
			return didYouMean("null")
		}
	}
	if x.Quoted && keywordValue(x.Name) {
		return fmt.Sprintf("without backticks %s is a value", strings.ToLower(x.Name))
	}
	for _, k := range c.nameKeys {
		if k.Name == x.Name {
			return fmt.Sprintf("to read the key of that name write (get %s)", x.Name)
		}
	}
	// A script full of unknown names must not cost their number times that of
	// the variables: the first few get a suggestion.
	c.suggested++
	if c.suggested > suggestionsMax {
		return ""
	}
	if word := syntax.Suggest(x.Name, c.info.Vars); word != "" {
		return didYouMean(word)
	}
	if f, ok := Lookup(x.Name); ok && !x.Quoted {
		return fmt.Sprintf("to call the function write %s(%s)", strings.ToLower(x.Name), dots(f))
	}
	var names []string
	for i := range c.info.Placeholders {
		names = append(names, c.info.Placeholders[i].Name)
	}
	if word := syntax.Suggest(x.Name, names); word != "" {
		return didYouMean("@" + word)
	}
	if slices.Contains(c.setTo, x) && !x.Quoted {
		return fmt.Sprintf("a text stands in quotes: \"%s\"", x.Name)
	}
	return ""
}

// layout remarks on line breaks that may mislead.
func (c *checker) layout(s *syntax.Script) {
	for _, r := range s.Remarks {
		if r.Kind == syntax.Returned {
			c.warnAt(r.Pos, "write 'return;' to return without a value", "the 'return' of an earlier line takes this for its operand")
			continue
		}
		c.warnAt(r.Pos, "a statement ends with ';'", fmt.Sprintf("this '%s' goes on with the expression of the line before", r.Text))
	}
}

func keywordValue(name string) bool {
	return strings.EqualFold(name, "true") || strings.EqualFold(name, "false") || strings.EqualFold(name, "null")
}

func dots(f Function) string {
	if f.Min == 0 {
		return ""
	}
	return "..."
}

// remarks gives the warnings that need all variables to be known.
func (c *checker) remarks() {
	var warned map[string]bool
	for _, k := range c.nameKeys {
		if _, ok := c.info.slots[k.Name]; !ok || warned[k.Name] || c.readInto[k.Name] {
			continue
		}
		if warned == nil {
			warned = make(map[string]bool)
		}
		warned[k.Name] = true
		c.warnAt(k.Pos, fmt.Sprintf("the key named by the variable is (%s)", k.Name),
			fmt.Sprintf("this is the key literally called '%s', not the variable '%s'", k.Name, k.Name))
	}
	for _, g := range c.guards {
		word, command := "deleted", "delete"
		if g.Kind == syntax.NotExtended {
			word, command = "extended", "extend"
		}
		for _, name := range c.info.Vars {
			if strings.EqualFold(name, word) {
				c.warnAt(g.Pos, fmt.Sprintf("to negate the variable write !%s or not (%s)", name, name),
					fmt.Sprintf("'not %s' asks about the last %s, not about the variable '%s'", word, command, name))
				break
			}
		}
	}
	for _, k := range c.computed {
		if _, direct := bared(k.X).(*syntax.Get); direct || !c.bindingOf(k.X).read {
			continue
		}
		name := "x"
		if id, ok := bared(k.X).(*syntax.Ident); ok {
			name = id.Name
		}
		c.warnAt(k.Pos, fmt.Sprintf("the key it was read from is key(%s)", name),
			"this key is named by a value that was read from the store")
	}
	for _, x := range c.conditions {
		if slot, ok := c.info.slots[x.Name]; ok && c.vars[slot].onlyGet && !c.gaps.mention(x.Name) {
			c.warnAt(x.Pos, hintBare,
				fmt.Sprintf("this condition, '%s', is only ever what a get reads, a text or null, never a bool", x.Name))
		}
	}
}
