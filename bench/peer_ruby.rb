# The bug thread's own programs on the Ruby that is installed: the same cases and the same JSON as ours.
#   ruby peer_ruby.rb [LARGEST]
require 'etc'
require 'fiber'
require 'json'
GC.disable
LARGEST = (ARGV[0] || 16_384).to_i
RUNS = 3
SWITCHES = [300_000, LARGEST * 4].min
NAME = "ruby-#{RUBY_VERSION}"
RESULTS = []

def now_ns = Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID, :nanosecond)

def row(name, n, samples)
  sorted = samples.sort
  RESULTS << { case: name, library: NAME, n: n, unit: 'ns', median: sorted[sorted.size / 2], min: sorted.first,
               max: sorted.last, runs: sorted.size }
end

def resume_yield(fibers)
  rounds = [SWITCHES / fibers.size, 1].max
  start = now_ns
  rounds.times { fibers.each(&:resume) }
  (now_ns - start).fdiv(rounds * fibers.size)
end

def transfer_ring(size)
  laps = [SWITCHES / size, 1].max
  left = 0
  main = Fiber.current
  fibers = []
  size.times do |i|
    fibers << Fiber.new { loop { (left -= 1).zero? ? main.transfer : fibers[i + 1 == size ? 0 : i + 1].transfer } }
  end
  measure = lambda do |times|
    left = times * size
    start = now_ns
    fibers[0].transfer
    (now_ns - start).fdiv(times * size)
  end
  measure.call(1)
  RUNS.times.map { measure.call(laps) }
end

def create(times)
  start = now_ns
  times.times { Fiber.new {}.resume }
  (now_ns - start).fdiv(times)
end

stopped = nil
begin
  row('create', 1, RUNS.times.map { create(SWITCHES / 10 + 1) })
  [2, 10, 100, 1000, 10_000].each { |n| row('transfer', n, transfer_ring(n)) if n <= LARGEST }
  GC.start
  fibers = []
  n = 1
  while n <= LARGEST
    while fibers.size < n
      fibers << Fiber.new { loop { Fiber.yield } }
      fibers.last.resume
    end
    row('resume_yield', n, RUNS.times.map { resume_yield(fibers) })
    n *= 2
  end
rescue FiberError => e
  stopped = "Ruby #{RUBY_VERSION} stopped at #{fibers.size} fibers: #{e.message}"
end
puts JSON.pretty_generate(bench: 'fibers', machine: { cores: Etc.nprocessors }, results: RESULTS,
                          notes: [stopped].compact)
