# Enumerator#next of the Ruby that is installed: the cases of `ramie bench generators`, the same JSON.
#   ruby peer_ruby_generators.rb [--smoke]
require 'etc'
require 'json'
SMOKE = ARGV[0] == '--smoke'
RUNS = SMOKE ? 1 : 3
ITEMS = SMOKE ? 1000 : 1_000_000
NODES = SMOKE ? 1000 : 200_000
MADE = SMOKE ? 100 : 100_000
NAME = "ruby-#{RUBY_VERSION}"
RESULTS = []

def now_ns = Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID, :nanosecond)

def row(name, count)
  samples = Array.new(RUNS) do
    start = now_ns
    yield
    (now_ns - start).fdiv(count)
  end.sort
  RESULTS << { case: name, library: NAME, n: count, unit: 'ns', median: samples[samples.size / 2], min: samples.first,
               max: samples.last, runs: samples.size }
end

def drain(enumerator, count) = count.times { enumerator.next }

Node = Struct.new(:left, :value, :right)
def build(low, high)
  return if low == high
  middle = (low + high) / 2
  Node.new(build(low, middle), middle, build(middle + 1, high))
end

def walk(node, yielder)
  return unless node
  walk(node.left, yielder)
  yielder << node.value
  walk(node.right, yielder)
end

row('sum_next', ITEMS) { drain(ITEMS.times, ITEMS) }
tree = build(0, NODES)
row('tree', NODES) { drain(Enumerator.new { |yielder| walk(tree, yielder) }, NODES) }
array = [1, 2, 3]
row('first', ITEMS) { ITEMS.times { array.first } }
row('make_one', MADE) { MADE.times { array.to_enum.next } }
puts JSON.pretty_generate(bench: 'generators', machine: { cores: Etc.nprocessors }, results: RESULTS, notes: [])
