// Go's iter.Pull (Go 1.23 and later) on the cases of `ramie bench generators`. The same JSON as ours.
package main

import (
	"encoding/json"
	"iter"
	"os"
	"runtime"
	"sort"
	"time"
)

type row struct {
	Case    string  `json:"case"`
	Library string  `json:"library"`
	N       int     `json:"n"`
	Unit    string  `json:"unit"`
	Median  float64 `json:"median"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Runs    int     `json:"runs"`
}

const runs = 5

var results []row
var sink int

func measure(name string, n int, one func()) {
	var samples []float64
	for i := 0; i < runs; i++ {
		start := time.Now()
		one()
		samples = append(samples, float64(time.Since(start).Nanoseconds())/float64(n))
	}
	sort.Float64s(samples)
	results = append(results, row{name, runtime.Version(), n, "ns", samples[runs/2], samples[0], samples[runs-1], runs})
}

func drain(sequence iter.Seq[int]) {
	next, stop := iter.Pull(sequence)
	defer stop()
	for value, more := next(); more; value, more = next() {
		sink += value
	}
}

func numbers(count int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < count && yield(i); i++ {
		}
	}
}

type node struct {
	left, right *node
	value       int
}

func build(low, high int) *node {
	if low == high {
		return nil
	}
	middle := (low + high) / 2
	return &node{build(low, middle), build(middle+1, high), middle}
}

func (at *node) walk(yield func(int) bool) bool {
	return at == nil || at.left.walk(yield) && yield(at.value) && at.right.walk(yield)
}

func main() {
	const items, nodes, made = 3000000, 1000000, 300000
	measure("sum_next", items, func() { drain(numbers(items)) })
	tree := build(0, nodes)
	measure("tree", nodes, func() { drain(func(yield func(int) bool) { tree.walk(yield) }) })
	measure("make_one", made, func() {
		for i := 0; i < made; i++ {
			next, stop := iter.Pull(numbers(3))
			value, _ := next()
			sink += value
			stop()
		}
	})
	json.NewEncoder(os.Stdout).Encode(map[string]any{"bench": "generators",
		"machine": map[string]any{"cores": runtime.NumCPU()}, "results": results, "notes": []string{}})
}
