package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// configMost bounds the file.
const configMost = 1 << 20

// fileResolver gives flags the values of a file, unless the command line or the
// environment has one.
type fileResolver struct {
	name   string
	values map[string]json.RawMessage
}

// configOf returns the file that --config names. It is needed before the
// command line is parsed, and there is nothing on it but flags.
func configOf(args []string) (string, error) {
	name := os.Getenv("KAHUNA_CONFIG")
	for i, a := range args {
		if value, ok := strings.CutPrefix(a, "--config="); ok {
			name = value
		} else if a == "--config" {
			if i+1 == len(args) {
				return "", errors.New("--config needs a value: --config FILE")
			}
			name = args[i+1]
		}
	}
	return name, nil
}

func (r *fileResolver) read() error {
	if r.name == "" {
		return nil
	}
	f, err := os.Open(r.name)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, configMost+1))
	switch {
	case err != nil:
		return fmt.Errorf("--config: %w", err)
	case len(data) > configMost:
		return fmt.Errorf("--config %s: the file has more than %d bytes", r.name, configMost)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&r.values); err != nil {
		return fmt.Errorf("--config %s: %w; write an object of flags, such as {\"drain\": \"30s\"}", r.name, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("--config %s: something stands behind the object", r.name)
	}
	return nil
}

// Validate implements kong.Resolver: what is no flag is refused.
func (r *fileResolver) Validate(app *kong.Application) error {
	for name := range r.values {
		known := false
		for _, f := range app.Flags {
			known = known || f.Name == name && name != "config" && name != "help" && name != "version"
		}
		if !known {
			return fmt.Errorf("--config %s: %q is no flag that a file can have", r.name, name)
		}
	}
	return nil
}

// Resolve implements kong.Resolver.
func (r *fileResolver) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	raw, ok := r.values[f.Name]
	if !ok {
		return nil, nil
	}
	for _, name := range f.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	return string(bytes.TrimSpace(raw)), nil // a number, true or false
}
