package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/alecthomas/kong"

	"kahuna"
	"kahuna/internal/server"
	"kahuna/internal/server/resp"
)

// flags is the command line.
type flags struct {
	Data   string `group:"store" env:"KAHUNA_DATA" placeholder:"DIR" help:"Directory of the store, made when missing. Default: kahuna in the user's state directory."`
	Memory bool   `group:"store" env:"KAHUNA_MEMORY" help:"Serve a store without files, gone when the server ends."`

	HTTP        string `group:"listen" name:"http" env:"KAHUNA_HTTP" default:"127.0.0.1:2070" placeholder:"HOST:PORT" help:"Address of REST, health and metrics; port 0 takes a free one, an empty text switches it off. Default: 127.0.0.1:2070."`
	Redis       string `group:"listen" env:"KAHUNA_REDIS" default:"127.0.0.1:2079" placeholder:"HOST:PORT" help:"Address of the Redis protocol; port 0 takes a free one, an empty text switches it off. Default: 127.0.0.1:2079."`
	Insecure    bool   `group:"listen" env:"KAHUNA_INSECURE" help:"Allow addresses that other machines can reach, though there are no passwords."`
	Connections int    `group:"listen" env:"KAHUNA_CONNECTIONS" default:"4096" placeholder:"N" help:"HTTP connections at once. Default: 4096."`

	Drain     time.Duration `group:"run" env:"KAHUNA_DRAIN" default:"10s" placeholder:"DURATION" help:"How long running requests may take once SIGTERM or Ctrl-C came. A second one leaves at once. Default: 10s."`
	LogFormat string        `group:"run" env:"KAHUNA_LOG_FORMAT" default:"text" enum:"text,json" placeholder:"FORMAT" help:"Form of the log: text or json. Default: text."`
	LogLevel  string        `group:"run" env:"KAHUNA_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"What is logged: debug, info, warn or error. Default: info."`

	Config  string           `group:"run" env:"KAHUNA_CONFIG" placeholder:"FILE" help:"JSON file with an object of flags, such as {\"data\": \"/srv/kahuna\", \"drain\": \"30s\"}. Flags and the environment go before it."`
	Version kong.VersionFlag `group:"run" help:"Print the version."`
}

const description = `Serves a Kahuna store.

  kahuna-server                    the store in the user's state directory
  kahuna-server --data DIR         the store in DIR
  curl -d 'return 1 + 1' http://127.0.0.1:2070/v1/run

Every flag can be given in the environment, as KAHUNA_ and its name in capitals, and in the file that --config names.`

// exit ends the parser with a status.
type exit int

// parse reads the command line, the environment and the file. done tells that
// help or version was all that was wanted.
func parse(args []string, stdout, stderr io.Writer) (f *flags, done bool, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exit:
			f, done, err = nil, true, nil
		default:
			panic(r)
		}
	}()
	f = &flags{}
	file := &fileResolver{}
	parser, err := kong.New(f, kong.Name("kahuna-server"), kong.Description(description), kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(exit(code)) }), kong.Vars{"version": version()}, kong.Resolvers(file),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ExplicitGroups([]kong.Group{{Key: "store", Title: "Store:"}, {Key: "listen", Title: "Listeners:"}, {Key: "run", Title: "Running:"}}))
	if err != nil {
		return nil, false, err
	}
	if file.name, err = configOf(args); err == nil {
		err = file.read()
	}
	if err != nil {
		return nil, false, err
	}
	if _, err := parser.Parse(args); err != nil {
		return nil, false, fmt.Errorf("%w; see kahuna-server --help", err)
	}
	return f, false, f.validate()
}

// validate checks what the parser does not.
func (f *flags) validate() error {
	switch {
	case f.Memory && f.Data != "":
		return errors.New("--memory and --data exclude each other")
	case f.Drain < 0:
		return fmt.Errorf("--drain must not be negative, got %v", f.Drain)
	case f.Connections < 1:
		return fmt.Errorf("--connections must be at least 1, got %d", f.Connections)
	}
	return nil
}

func (f *flags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.LogLevel)) // the parser has checked it
	o := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// storeLogger is the logger of the store: what it tells of its elections is for
// those who look for a fault.
func (f *flags) storeLogger(w io.Writer) *slog.Logger {
	quiet := *f
	if f.LogLevel == "info" {
		quiet.LogLevel = "warn"
	}
	return quiet.logger(w)
}

// open opens the store. dir is empty for one without files.
func (f *flags) open(logger, storeLogger *slog.Logger) (db *kahuna.DB, dir string, err error) {
	o := &kahuna.Options{Logger: storeLogger}
	if f.Memory {
		db, err = kahuna.OpenMemory(o)
		return db, "", err
	}
	dir = f.Data
	if dir == "" {
		if dir, err = stateDir(); err != nil {
			return nil, "", fmt.Errorf("%w; name the directory of the store: --data DIR", err)
		}
		if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
			return nil, "", err
		}
	}
	start := time.Now()
	if db, err = kahuna.Open(dir, o); err == nil {
		logger.Info("opened", "data", dir, "took", time.Since(start).Round(time.Millisecond).String())
	}
	return db, dir, err
}

// stateDir is the directory of the store that nobody named.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "kahuna"), nil
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "kahuna"), err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state", "kahuna"), err
}

// mount adds the listeners to the server.
func (f *flags) mount(s *server.Server, db *kahuna.DB, logger *slog.Logger) {
	s.Add("http", f.HTTP, s.HTTP())
	s.Add("redis", f.Redis, resp.New(db, resp.Options{Context: s.Work(), Logger: logger}))
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "kahuna-server (unknown version)"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	return "kahuna-server " + v
}
