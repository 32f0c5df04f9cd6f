// The same experiment in Ruby, for `ruby -e`. Arguments: number of objects, share of garbage, allocations, and `warm`
// to collect four times and compact before the fork. Prints the child's private dirty kB after a collection and after
// the allocations. A Ruby object takes a slot of 40 bytes.
#pragma once

namespace ramie::baseline {

inline constexpr const char* cow_ruby_program = R"ruby(
count, garbage, allocations, warm = ARGV[0].to_i, ARGV[1].to_f, ARGV[2].to_i, ARGV[3] == "warm"
class Node
  attr_accessor :left, :right, :value
  def initialize(value) = (@value = value; @left = nil; @right = nil)
end
def private_dirty = File.read("/proc/self/smaps_rollup")[/^Private_Dirty:\s+(\d+)/, 1].to_i
order = Array.new(count) { |at| Node.new(at) }
order.shuffle!(random: Random.new(42))
live = (count * (1 - garbage)).to_i
live.times do |at|
  order[at].left = order[2 * at + 1] if 2 * at + 1 < live
  order[at].right = order[2 * at + 2] if 2 * at + 2 < live
end
$top = order[0]
order = nil
if warm
  4.times { GC.start }
  GC.compact
end
reader, writer = IO.pipe
fork do
  GC.start
  collected = private_dirty
  kept = Array.new(allocations) { |at| Node.new(at) }
  writer.puts "#{collected} #{private_dirty}"
  exit!(0)
end
Process.wait
puts reader.gets
)ruby";

}  // namespace ramie::baseline
