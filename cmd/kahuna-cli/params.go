package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"kahuna"
	"kahuna/script"
)

// parseParams reads the -p flags: name=text, name=@file, name=@@text, and
// name:=JSON.
func parseParams(ctx context.Context, flags []string) (kahuna.Params, error) {
	params := kahuna.Params{}
	for _, f := range flags {
		name, value, found := strings.Cut(f, "=")
		name, typed := strings.CutSuffix(name, ":")
		name = strings.TrimPrefix(name, "@")
		if !found || name == "" {
			return nil, fmt.Errorf("-p %s: write name=value, name:=JSON or name=@file", f)
		}
		if !isParamName(name) {
			return nil, fmt.Errorf("-p %s: a parameter's name has letters, digits and _ only, got %q", f, name)
		}
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("-p %s: the parameter is given twice", name)
		}
		var v any = value
		var err error
		switch {
		case typed:
			v, err = parseJSON(value)
		case strings.HasPrefix(value, "@@"):
			v = value[1:]
		case strings.HasPrefix(value, "@"):
			v, err = readText(ctx, value[1:])
		}
		if err != nil {
			return nil, fmt.Errorf("-p %s: %w", name, err)
		}
		params[name] = v
	}
	return params, nil
}

// isParamName reports whether a script can ask for @name.
func isParamName(name string) bool {
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// readText reads a file that is to be one value, byte for byte.
func readText(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", errors.New("name a file after @, or write @@ for a text that begins with @")
	}
	limit := script.DefaultLimits().ValueBytes
	text, err := unlessDone(ctx, func() (string, error) { return readFile(name, limit) })
	if err != nil {
		return "", fmt.Errorf("%w; write @@ for a text that begins with @", err)
	}
	if len(text) > limit {
		return "", fmt.Errorf("%s has more than %d bytes, the limit of a value", name, limit)
	}
	return text, nil
}

// parseJSON reads a typed value, strictly: no digit is lost, and no half of a
// surrogate pair becomes another character.
func parseJSON(text string) (any, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("write JSON after :=, such as 7, null or [1,2]; for an empty text write name=")
	}
	v, err := script.ParseJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not JSON (%v); for a text write name=text", text, err)
	}
	return v, nil
}
