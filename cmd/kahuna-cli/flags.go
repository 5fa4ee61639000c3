package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"kahuna/client"
	"kahuna/script"
	"kahuna/script/syntax"
)

// flags is the command line.
type flags struct {
	Embedded       string           `env:"KAHUNA_EMBEDDED" help:"Directory of the store to run on; made when missing. The environment variable KAHUNA_EMBEDDED names it, too." placeholder:"DIR" complete:"dir"`
	Connect        string           `short:"c" env:"KAHUNA_URL" help:"Address of a server, or several separated by commas: http://127.0.0.1:2070 when there is no --embedded. The environment variable KAHUNA_URL names it, too." placeholder:"URL"`
	CA             string           `name:"ca" env:"KAHUNA_CA" help:"PEM file of the certificates to trust at https addresses, such as the tls-dev.pem of a server." placeholder:"FILE"`
	Execute        []string         `short:"e" sep:"none" help:"Run this script instead of the shell." placeholder:"SCRIPT"`
	Param          []string         `short:"p" sep:"none" help:"Parameter, repeatable: name=text, name:=JSON for a typed one, name=@file for the text of a file (name=@@x for a text that begins with @)." placeholder:"NAME=VALUE"`
	Timeout        *time.Duration   `help:"Time-out of a script that names none itself, such as 500ms or 30s; at most 5m." placeholder:"DURATION"`
	IdempotencyKey *string          `help:"Run the script once, however often it is sent with this key." placeholder:"KEY"`
	JSON           bool             `name:"json" help:"Print one JSON object per script."`
	Raw            bool             `help:"Print the bytes of the value and nothing else; of a list each value and a line feed."`
	Version        kong.VersionFlag `help:"Print the version."`

	Shell struct{} `cmd:"" default:"1" help:"Read scripts from the terminal, or one script from a pipe: what happens without a command."`
	Run   struct {
		File string `arg:"" help:"Script file, - for standard input." complete:"file"`
	} `cmd:"" help:"Run one script from a file."`
	Batch struct {
		StopOnError bool   `help:"Stop at the first script that fails."`
		File        string `arg:"" help:"File of scripts, - for standard input." complete:"file"`
	} `cmd:"" help:"Run several scripts, separated by lines of ---, each with its own result."`
	Get     keyFlag      `cmd:"" help:"Print the value of a key."`
	Set     setFlags     `cmd:"" help:"Set a key."`
	Del     delFlags     `cmd:"" aliases:"delete" help:"Delete keys."`
	TTL     keyFlag      `cmd:"" name:"ttl" help:"Print how many milliseconds a key has to live."`
	Exists  keyFlag      `cmd:"" help:"Tell whether a key exists."`
	Keys    keysFlags    `cmd:"" help:"Print the keys of the store, or those that begin with a prefix."`
	Count   countFlags   `cmd:"" help:"Count the keys that begin with a prefix."`
	History historyFlags `cmd:"" help:"Print the versions of a key, the newest first."`
	Stats   struct{}     `cmd:"" help:"Print the statistics of the store."`
	Check   struct {
		Files []string `arg:"" help:"Script files, - for standard input." complete:"file"`
	} `cmd:"" help:"Print everything that is wrong with scripts, without running them."`
	Fmt struct {
		Write bool     `short:"w" help:"Write the result back to the file."`
		List  bool     `short:"l" help:"Print the names of the files that are not in the canonical form."`
		Check bool     `help:"Print nothing, and fail when a file is not in the canonical form."`
		Files []string `arg:"" help:"Script files, - for standard input." complete:"file"`
	} `cmd:"" help:"Print scripts in the canonical form."`
	Backup  backupFlags  `cmd:"" help:"Write a backup of the store to a file."`
	Restore restoreFlags `cmd:"" help:"Make a store from a backup, in a directory that does not exist or is empty."`

	Completion completionFlags `cmd:"" help:"Print a script with which bash, zsh or fish completes this command."`
}

const description = `Runs scripts on a Kahuna store.

Examples:

  kahuna-cli --embedded data -e 'set greeting "hello"'
  kahuna-cli --embedded data -p item=stock/sku-1 -p n:=3 run reserve.kh
  kahuna-cli --embedded data                  (the shell)
  kahuna-cli --embedded data < reserve.kh     (a pipe is one script)
  kahuna-cli --embedded data batch scripts.kh (several, separated by lines of ---)
  kahuna-cli --embedded data get greeting
  kahuna-cli check reserve.kh

Results go to standard output, errors and warnings to standard error.

Exit status, that of the first script that failed: 0 success, also when a condition did not hold or a key does not exist; 1 the script failed or aborted, or the output could not be written; 2 wrong usage, or a script that was refused before it ran; 3 the store cannot be opened; 128+n stopped by signal n.`

// exit ends kong's parsing with a status.
type exit int

// parse reads the command line and returns the command. The error says what
// to write instead; done tells that help or version was all that was wanted.
func (c *cli) parse(args []string) (command string, done bool, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exit:
			command, done, err = "", true, nil
		default:
			panic(r)
		}
	}()
	out := &output{c: c}
	parser, err := kong.New(&c.flags, kong.Name("kahuna-cli"), kong.Description(description),
		kong.Writers(out, c.stderr), kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Vars{"version": version()},
		kong.KindMapper(reflect.String, kong.MapperFunc(verbatim)))
	if err != nil {
		return "", false, err
	}
	if len(args) > 0 && args[0] == "help" {
		args = append(args[1:len(args):len(args)], "--help")
	}
	parsed, err := parser.Parse(args)
	switch {
	case c.lost != nil:
		return "", true, nil
	case err != nil:
		return "", false, fmt.Errorf("%s; see kahuna-cli --help", explain(err.Error(), args))
	}
	c.model = parser.Model
	command, _, _ = strings.Cut(parsed.Command(), " ")
	if err := c.flags.chooseStore(parsed); err != nil {
		return "", false, err
	}
	return command, false, c.flags.validate(command)
}

// chooseStore keeps one of the directory and the address: what stands on the
// command line goes before the environment.
func (f *flags) chooseStore(parsed *kong.Context) error {
	if f.Embedded == "" || f.Connect == "" {
		return nil
	}
	given := map[string]bool{}
	for _, p := range parsed.Path {
		if p.Flag != nil {
			given[p.Flag.Name] = true
		}
	}
	switch {
	case given["embedded"] && !given["connect"]:
		f.Connect = ""
	case given["connect"] && !given["embedded"]:
		f.Embedded = ""
	case given["connect"]:
		return errors.New("--embedded and -c exclude each other: one opens a store in this process, the other asks a server")
	default:
		return errors.New("KAHUNA_EMBEDDED and KAHUNA_URL are both set: unset one, or say which store with --embedded DIR or -c URL")
	}
	return nil
}

// verbatim takes a text as it is. The parser's own way is through JSON, which
// has no bytes that are not UTF-8.
func verbatim(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("string")
	if err != nil {
		return err
	}
	target.SetString(fmt.Sprint(token.Value))
	return nil
}

// missing is how the parser says that a flag is the last word.
var missing = regexp.MustCompile(`^--([a-z-]+): (expected \S+ value but got "EOL"|missing value)`)

// explain turns what the parser says into what to write instead.
func explain(text string, args []string) string {
	if m := missing.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("--%s needs a value: %s", m[1], map[string]string{"embedded": "--embedded DIR", "connect": "-c URL",
			"execute": "-e 'SCRIPT'", "param": "-p name=value", "timeout": "--timeout 30s",
			"idempotency-key": "--idempotency-key KEY"}[m[1]])
	}
	word, unexpected := strings.CutPrefix(text, "unexpected argument ")
	switch {
	case unexpected && slices.Contains(args, "-e"):
		return text + "; put the whole script behind -e in quotes: -e 'set greeting \"hello\"'"
	case unexpected && slices.Contains(args, "run"):
		return text + "; run takes one file, so that each is one transaction"
	case unexpected:
		return text + "; " + forWord(word, args)
	case strings.HasPrefix(text, `expected "<`) && slices.Contains(args, "set"):
		return "set needs a key and a value: set KEY VALUE"
	case strings.HasPrefix(text, `expected "<key`):
		return "name a key"
	case strings.HasPrefix(text, `expected "<prefix>"`):
		return "name a prefix; \"\" is every key"
	case strings.HasPrefix(text, "--ttl"):
		return text + "; write it with a unit, like 5s or 250ms"
	case text == `expected "<file>"`:
		return "run needs a script file, or - for standard input: run FILE"
	case strings.HasPrefix(text, `expected "<files>`):
		return "name a script file, or - for standard input"
	case text == `expected "<shell>"` || strings.HasPrefix(text, "<shell> must be one of"):
		return "name a shell: completion bash, completion zsh or completion fish"
	case strings.HasPrefix(text, "--timeout: expected duration value"):
		return "--timeout must not be negative"
	case strings.HasPrefix(text, "--timeout"):
		return text + "; write it with a unit, like 5s or 250ms"
	}
	return text
}

// forWord says what was most likely meant by a word that is no command: what the
// parser says of it, which may have a suggestion behind the word.
func forWord(said string, args []string) string {
	from := slices.IndexFunc(args, func(a string) bool { return a != "" && strings.HasPrefix(said, a) })
	if from < 0 {
		from = 0
	}
	first, _, _ := strings.Cut(strings.TrimSpace(args[from]), " ")
	command := slices.IndexFunc(args[:from], func(a string) bool { return slices.Contains(syntax.Keywords(), strings.ToLower(a)) })
	if command >= 0 { // a script that begins as a command on a key does
		source := strings.Join(args[command:], " ")
		if _, err := script.Compile(source, nil); err == nil {
			return "to run a script write: kahuna-cli --embedded DIR -e '" + source + "'"
		}
		return "what the command takes: kahuna-cli help " + args[command]
	}
	switch {
	case strings.HasSuffix(first, ".kh"):
		return "to run a script file write: kahuna-cli --embedded DIR run " + first
	case first != args[from] || slices.Contains(syntax.Keywords(), strings.ToLower(first)):
		return "to run a script write: kahuna-cli --embedded DIR -e '" + strings.Join(args[from:], " ") + "'"
	}
	return "commands are get, set, del, ttl, exists, keys, count, history, stats, run, batch, check, fmt, backup, restore and completion; " +
		"to run a script write: kahuna-cli --embedded DIR -e 'SCRIPT'"
}

// validate checks what the parser does not.
func (f *flags) validate(command string) error {
	longest := time.Duration(script.DefaultLimits().TimeoutMaxMs) * time.Millisecond
	switch {
	case len(f.Param) > 0 && !slices.Contains([]string{"shell", "run", "batch"}, command):
		return fmt.Errorf("-p belongs to scripts: %s takes no parameters", command)
	case len(f.Execute) == 1 && command != "shell":
		return fmt.Errorf("-e and the command %s exclude each other", command)
	case command == "del" && len(f.Del.Keys) == 3 && f.Del.Keys[0] == "by" && slices.Contains([]string{"bucket", "prefix"}, f.Del.Keys[1]):
		return fmt.Errorf("del deletes keys by their names; write: kahuna-cli --embedded DIR -e 'delete %s'", strings.Join(f.Del.Keys, " "))
	case f.Raw && f.JSON:
		return fmt.Errorf("--raw and --json exclude each other")
	case len(f.Execute) > 1:
		return fmt.Errorf("-e was given %d times; several scripts can be run by batch, separated by lines of ---", len(f.Execute))
	case f.Timeout != nil && (*f.Timeout < time.Millisecond || *f.Timeout > longest):
		return fmt.Errorf("--timeout must be at least 1ms and at most %v, got %v", longest, *f.Timeout)
	case f.IdempotencyKey != nil && *f.IdempotencyKey == "":
		return fmt.Errorf("--idempotency-key must not be empty")
	case f.IdempotencyKey != nil && command == "batch":
		return fmt.Errorf("--idempotency-key belongs to one script: give it with run or -e")
	case f.Keys.Limit < 0 || f.History.Limit < 0:
		return fmt.Errorf("--limit must not be negative")
	case f.Fmt.Write && (f.Fmt.Check || f.Fmt.List), f.Fmt.Check && f.Fmt.List:
		return fmt.Errorf("fmt: -w, -l and --check exclude each other")
	case command == "stats" && f.Embedded == "":
		return fmt.Errorf("stats works on a directory: stats --embedded DIR; a server tells its statistics at %s/metrics", firstURL(f.Connect))
	case command != "backup" && command != "restore" || f.Embedded != "":
		return nil
	case f.Connect != "":
		return fmt.Errorf("%s works on a directory that no server has open: end the server, then %s --embedded DIR", command, command)
	}
	return fmt.Errorf("no store was named: add --embedded DIR, or set KAHUNA_EMBEDDED, for example\n  kahuna-cli --embedded data -e 'set greeting \"hello\"'")
}

// firstURL is the first address of a list, the default one when there is none.
func firstURL(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSuffix(cmp.Or(strings.TrimSpace(first), client.DefaultURL), "/")
}

// output is standard output for the parser, which drops errors.
type output struct{ c *cli }

func (o *output) Write(p []byte) (int, error) {
	n, err := o.c.stdout.Write(p)
	o.c.keep(err)
	return n, err
}

var _ io.Writer = (*output)(nil)

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "kahuna-cli (unknown version)"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	return "kahuna-cli " + v
}
