// Renders kustomizations with the libraries of kustomize 5.8.2, one for each line of JSON on standard input:
//
//	{"root": "top", "files": {"top/kustomization.yaml": "..."}}
//
// and answers each with a line: {"objects": [...]} in the order of the files, or {"error": "..."}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

type question struct {
	Root  string            `json:"root"`
	Files map[string]string `json:"files"`
}

type answer struct {
	Objects []json.RawMessage `json:"objects"`
	Error   string            `json:"error,omitempty"`
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked question
		var given answer
		if err := json.Unmarshal(line, &asked); err != nil {
			given.Error = err.Error()
		} else if given.Objects, err = render(asked); err != nil {
			given = answer{Error: err.Error()}
		}
		text, err := json.Marshal(given)
		if err != nil {
			text = []byte(fmt.Sprintf(`{"error": %q}`, err.Error()))
		}
		out.Write(append(text, '\n'))
		if err := out.Flush(); err != nil {
			return
		}
	}
}

func render(asked question) (objects []json.RawMessage, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			objects, err = nil, fmt.Errorf("panic: %v", reason)
		}
	}()
	files := filesys.MakeFsInMemory()
	for path, text := range asked.Files {
		if err := files.WriteFile("/"+path, []byte(text)); err != nil {
			return nil, err
		}
	}
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionNone
	made, err := krusty.MakeKustomizer(options).Run(files, "/"+asked.Root)
	if err != nil {
		return nil, err
	}
	objects = []json.RawMessage{}
	for _, resource := range made.Resources() {
		text, err := resource.MarshalJSON()
		if err != nil {
			return nil, err
		}
		objects = append(objects, text)
	}
	return objects, nil
}
