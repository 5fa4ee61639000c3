package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completionFlags are those of the command completion.
type completionFlags struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// completion prints a script with which a shell completes this command: its
// commands, their flags, the words that a flag or argument takes, and files.
// All of that is read from the parser's own description of the command line.
func (c *cli) completion(app *kong.Application) int {
	print := map[string]func(*kong.Application) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	_, err := c.stdout.Write([]byte(print[c.flags.Completion.Shell](app)))
	c.keep(err)
	return exitOK
}

// commandNames returns a command's name and its aliases.
func commandNames(command *kong.Node) []string {
	return append([]string{command.Name}, command.Aliases...)
}

// flagWords returns how a flag is written.
func flagWords(f *kong.Flag) []string {
	words := []string{"--" + f.Name}
	if f.Short != 0 {
		words = append(words, "-"+string(f.Short))
	}
	return words
}

// takesValue reports whether the word behind a flag is its value.
func takesValue(f *kong.Flag) bool { return !f.IsBool() && !f.IsCounter() }

// valueFlags returns the flags of all commands that take a value, as written.
func valueFlags(app *kong.Application) (words []string) {
	for _, node := range append([]*kong.Node{app.Node}, app.Children...) {
		for _, f := range node.Flags {
			if takesValue(f) {
				words = append(words, flagWords(f)...)
			}
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// firstSentence is what a shell shows beside a word.
func firstSentence(help string) string {
	text, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(text, ".")
}

// A value is completed by what its field's tag complete says, file or dir, or by
// the words of its enum, or by nothing.

// bashValue is a command of bash that completes a value.
func bashValue(v *kong.Value) string {
	switch {
	case v.Tag.Get("complete") == "file":
		return "_kahuna_cli_files -f"
	case v.Tag.Get("complete") == "dir":
		return "_kahuna_cli_files -d"
	case v.Enum != "":
		return "_kahuna_cli_words '" + strings.Join(v.EnumSlice(), " ") + "'"
	}
	return ":"
}

// bashFlags are all words for flags of a command.
func bashFlags(flags []*kong.Flag) string {
	var words []string
	for _, f := range flags {
		words = append(words, flagWords(f)...)
	}
	return strings.Join(words, " ")
}

func bashCompletion(app *kong.Application) string {
	var values, commands strings.Builder
	var names []string
	for _, node := range append([]*kong.Node{app.Node}, app.Children...) {
		for _, f := range node.Flags {
			if takesValue(f) && bashValue(f.Value) != ":" {
				fmt.Fprintf(&values, "    %s) %s; return ;;\n", strings.Join(flagWords(f), "|"), bashValue(f.Value))
			}
		}
	}
	for _, command := range app.Children {
		names = append(names, commandNames(command)...)
		argument := ":"
		if len(command.Positional) > 0 {
			argument = bashValue(command.Positional[0])
		}
		fmt.Fprintf(&commands, "    %s) flags='%s'; argument=%q ;;\n",
			strings.Join(commandNames(command), "|"), bashFlags(command.Flags), argument)
	}
	return fmt.Sprintf(`# Completion of %[1]s in bash.
_kahuna_cli_words() { COMPREPLY=($(compgen -W "$1" -- "$cur")); }
_kahuna_cli_files() {
  local IFS=$'\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$cur"))
}
_kahuna_cli() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= flags= argument=: i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
    %[2]s) [[ ${COMP_WORDS[i+1]} == = ]] && ((i++)); ((i++)) ;;
    -*) ;;
    *) command=${COMP_WORDS[i]}; break ;;
    esac
  done
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  case $prev in
%[3]s    %[2]s) return ;;
  esac
  case $command in
    '') argument="_kahuna_cli_words '%[4]s'" ;;
%[5]s  esac
  if [[ $cur == -* ]]; then
    _kahuna_cli_words "%[6]s $flags"
  else
    eval "$argument"
  fi
}
complete -F _kahuna_cli %[1]s
`, app.Name, strings.Join(valueFlags(app), "|"), values.String(), strings.Join(names, " "), commands.String(), bashFlags(app.Flags))
}

// zshQuoted is a text between single quotes in which zsh's own functions find no
// special characters.
func zshQuoted(format string, args ...string) string {
	quoted := make([]any, len(args))
	for i, a := range args {
		quoted[i] = strings.NewReplacer(`\`, `\\`, ":", `\:`, "[", `\[`, "]", `\]`, "'", `'\''`).Replace(a)
	}
	return "'" + fmt.Sprintf(format, quoted...) + "'"
}

// zshValue is an action of zsh's _arguments that completes a value.
func zshValue(v *kong.Value) string {
	switch {
	case v.Tag.Get("complete") == "file":
		return "_files"
	case v.Tag.Get("complete") == "dir":
		return "_files -/"
	case v.Enum != "":
		return "(" + strings.Join(v.EnumSlice(), " ") + ")"
	}
	return " "
}

// zshFlags are flags in the form of _arguments.
func zshFlags(flags []*kong.Flag) (specs []string) {
	for _, f := range flags {
		for _, word := range flagWords(f) {
			if !takesValue(f) {
				specs = append(specs, zshQuoted(word+"[%s]", firstSentence(f.Help)))
				continue
			}
			spec := word + "[%s]:%s:" + zshValue(f.Value)
			if strings.HasPrefix(word, "--") {
				spec = word + "=[%s]:%s:" + zshValue(f.Value)
			}
			if f.IsCumulative() {
				spec = "*" + spec
			}
			specs = append(specs, zshQuoted(spec, firstSentence(f.Help), f.FormatPlaceHolder()))
		}
	}
	return specs
}

func zshCompletion(app *kong.Application) string {
	var described []string
	var commands strings.Builder
	for _, command := range app.Children {
		for _, name := range commandNames(command) {
			described = append(described, zshQuoted("%s:%s", name, firstSentence(command.Help)))
		}
		specs := append([]string{"$flags"}, zshFlags(command.Flags)...)
		for _, p := range command.Positional {
			spec := ":%s:" + zshValue(p)
			if p.IsCumulative() {
				spec = "*" + spec
			}
			specs = append(specs, zshQuoted(spec, p.Name))
		}
		fmt.Fprintf(&commands, "    %s) _arguments %s ;;\n", strings.Join(commandNames(command), "|"), strings.Join(specs, " \\\n      "))
	}
	return fmt.Sprintf(`#compdef %[1]s
# Completion of %[1]s in zsh.
_kahuna_cli() {
  local context state state_descr line
  typeset -A opt_args
  local -a flags commands
  flags=(
    %[2]s
  )
  commands=(
    %[3]s
  )
  _arguments -C $flags '1: :->command' '*:: :->arguments'
  case $state in
  command) _describe command commands ;;
  arguments)
    case $line[1] in
%[4]s    esac
    ;;
  esac
}
if [[ $funcstack[1] == _kahuna_cli ]]; then
  _kahuna_cli "$@"
else
  compdef _kahuna_cli %[1]s
fi
`, app.Name, strings.Join(zshFlags(app.Flags), "\n    "), strings.Join(described, "\n    "), commands.String())
}

// fishQuoted is a text between single quotes of fish.
func fishQuoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

// fishValue are options of fish's complete that complete a value.
func fishValue(v *kong.Value) string {
	switch {
	case v.Tag.Get("complete") == "file":
		return " -F"
	case v.Tag.Get("complete") == "dir":
		return " -a '(__fish_complete_directories)'"
	case v.Enum != "":
		return " -a " + fishQuoted(strings.Join(v.EnumSlice(), " "))
	}
	return ""
}

func fishCompletion(app *kong.Application) string {
	var b strings.Builder
	flags := func(condition string, list []*kong.Flag) {
		for _, f := range list {
			fmt.Fprintf(&b, "complete -c %s%s -l %s", app.Name, condition, f.Name)
			if f.Short != 0 {
				fmt.Fprintf(&b, " -s %c", f.Short)
			}
			if takesValue(f) {
				b.WriteString(" -x" + fishValue(f.Value))
			}
			fmt.Fprintf(&b, " -d %s\n", fishQuoted(firstSentence(f.Help)))
		}
	}
	fmt.Fprintf(&b, `# Completion of %[1]s in fish.
function __kahuna_cli_command
    set -l value 0
    for word in (commandline -opc)[2..-1]
        if test $value = 1
            set value 0
            continue
        end
        switch $word
            case %[2]s
                set value 1
            case '-*'
            case '*'
                echo $word
                return 0
        end
    end
    return 1
end
complete -c %[1]s -f
`, app.Name, strings.Join(valueFlags(app), " "))
	flags("", app.Flags)
	for _, command := range app.Children {
		for _, name := range commandNames(command) {
			fmt.Fprintf(&b, "complete -c %s -n 'not __kahuna_cli_command >/dev/null' -a %s -d %s\n", app.Name, name, fishQuoted(firstSentence(command.Help)))
		}
		condition := " -n 'contains -- (__kahuna_cli_command) " + strings.Join(commandNames(command), " ") + "'"
		flags(condition, command.Flags)
		if len(command.Positional) > 0 {
			if value := fishValue(command.Positional[0]); value != "" {
				fmt.Fprintf(&b, "complete -c %s%s%s\n", app.Name, condition, value)
			}
		}
	}
	return b.String()
}
