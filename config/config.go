// Package config reads the configuration: one YAML file, the environment over
// it, and secrets from files.
//
// [Config] is composed of what each package calls its Config. A package
// documents, defaults and checks its own part; this one finds every mistake at
// once and says where it is.
//
// denwa config reference and denwa config schema print reference.md and
// schema.json. Both are written from the fields' comments:
//
//go:generate go test -run=^TestGenerated$ -update .
package config

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"denwa/gateway"
	"denwa/gateway/httpapi"
	"denwa/gateway/redisstore"
	"denwa/providers"
)

// What the config command prints.
var (
	//go:embed reference.md
	Reference string
	//go:embed schema.json
	Schema string
	//go:embed example.yaml
	Example string
)

// Config is the whole configuration.
type Config struct {
	Server    httpapi.Config      `yaml:"server"`
	Admin     httpapi.AdminConfig `yaml:"admin"`
	Keys      Keys                `yaml:"keys"`
	Store     redisstore.Config   `yaml:"store"`
	Gateway   gateway.Config      `yaml:",inline"`
	Providers []Provider          `yaml:"providers"`
	Routes    []providers.Route   `yaml:"routes"`
	Log       Log                 `yaml:"log"`
	Tracing   Tracing             `yaml:"tracing"`
}

// Default is what holds where the operator says nothing. It isn't complete: at
// least a master key and a provider are missing.
func Default() Config {
	return Config{
		Server:  httpapi.DefaultConfig(),
		Admin:   httpapi.DefaultAdminConfig(),
		Store:   redisstore.DefaultConfig(),
		Gateway: gateway.DefaultConfig(),
		Log:     DefaultLog(),
		Tracing: DefaultTracing(),
	}
}

// Load reads the file at path, or the one that [Variable] names if path is
// empty, and puts env, in the form of [os.Environ], over it. Without any file
// the environment is all there is. A configuration with mistakes is an [*Error]
// that lists all of them. Load may be called again while the first Config is
// in use.
func Load(path string, env []string) (*Config, error) {
	for _, e := range env {
		if name, ok := strings.CutPrefix(e, Variable+"="); ok && path == "" {
			path = name
		}
	}
	if path == "" {
		return load("", nil, env)
	}
	data, err := read(path)
	if err != nil {
		return nil, &Error{Problems: []Problem{{File: path, Message: err.Error()}}}
	}
	return load(path, data, env)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // G304: the operator names it
	var reason *fs.PathError
	if errors.As(err, &reason) {
		return nil, fmt.Errorf("can't be read: %w", reason.Err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+int64(len(byteOrderMark))+1))
	if errors.As(err, &reason) {
		return nil, fmt.Errorf("can't be read: %w", reason.Err)
	}
	return data, err
}

// load reads data, called name, and env over it.
func load(name string, data []byte, env []string) (*Config, error) {
	problems := &mistakes{file: name}
	tree := parse(data, problems)
	if len(problems.list) > 0 && tree.shape == null {
		return nil, problems.err() // not a configuration at all
	}
	root := rootField()
	overlay(root, tree, env, problems)
	c := Default()
	decoder{root, problems}.decode(root, tree, "", reflect.ValueOf(&c).Elem())
	c.Validate(func(path, problem string) {
		if !problems.explained(path) {
			problems.add(tree.locate(path), path, "%s", problem)
		}
	})
	if err := problems.err(); err != nil {
		return nil, err
	}
	return &c, nil
}

// YAML returns c as a file, every key written out with what holds, secrets redacted.
func (c *Config) YAML() ([]byte, error) {
	inForce := *c
	inForce.Gateway.Limits = c.Gateway.InForce()
	var b bytes.Buffer
	err := write(&b, rootField(), reflect.ValueOf(&inForce).Elem())
	return b.Bytes(), err
}

//go:embed playground.yaml
var playground string

// Playground is the configuration that is used without a file: complete, on
// loopback addresses only, with [PlaygroundKey] as its API key and a new master key.
// It puts env over it, so it can have mistakes too.
func Playground(env []string) (*Config, error) {
	var key [gateway.MasterKeySize]byte
	_, _ = rand.Read(key[:]) // never fails
	master := base64.StdEncoding.EncodeToString(key[:])
	return load("playground", []byte(playground+"keys: {master: "+master+"}\n"), env)
}
