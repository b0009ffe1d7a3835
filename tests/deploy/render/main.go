// Renders a chart's templates as Helm does: Go's text/template, the sprig functions, include and toYaml.
//
//	render CHART VALUES.yaml  prints each template's name and its text
//
// Helm itself is in none of the registries that this project may use; its template engine is these libraries.
// Built with Debian's golang-go and golang-github-masterminds-sprig-dev: GO111MODULE=off GOPATH=/usr/share/gocode.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) map[string]interface{} {
	found := map[string]interface{}{}
	text, err := os.ReadFile(path)
	fail(err)
	fail(yaml.Unmarshal(text, &found))
	return found
}

func merge(under, over map[string]interface{}) map[string]interface{} {
	for key, value := range over {
		inner, both := value.(map[string]interface{})
		if below, ok := under[key].(map[string]interface{}); ok && both {
			under[key] = merge(below, inner)
		} else {
			under[key] = value
		}
	}
	return under
}

func main() {
	chart := os.Args[1]
	about := read(filepath.Join(chart, "Chart.yaml"))
	values := merge(read(filepath.Join(chart, "values.yaml")), read(os.Args[2]))
	root := map[string]interface{}{
		"Values":  values,
		"Chart":   map[string]interface{}{"Name": about["name"], "Version": about["version"], "AppVersion": about["appVersion"]},
		"Release": map[string]interface{}{"Name": "r", "Namespace": "rune", "Service": "Helm"},
	}
	all := template.New("").Option("missingkey=error")
	functions := sprig.TxtFuncMap()
	functions["include"] = func(name string, data interface{}) (string, error) {
		var out bytes.Buffer
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	functions["toYaml"] = func(value interface{}) (string, error) {
		var out bytes.Buffer
		encoder := yaml.NewEncoder(&out)
		encoder.SetIndent(2)
		err := encoder.Encode(value)
		return strings.TrimSuffix(out.String(), "\n"), err
	}
	all.Funcs(functions)
	files, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	fail(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		fail(err)
		_, err = all.New(filepath.Base(file)).Parse(string(text))
		fail(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var out bytes.Buffer
		fail(all.ExecuteTemplate(&out, name, root))
		fmt.Printf("#### %s\n%s\n", name, out.String())
	}
}
