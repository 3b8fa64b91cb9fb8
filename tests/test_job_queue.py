"""The queue of a sweep's jobs: each is taken once, given back when its worker dies, and fails when that goes on."""

from labelbench_ray.cluster.job_queue import JobQueue


def queue(jobs: int) -> JobQueue[str]:
    return JobQueue(jobs, started="started", died="died", most_deaths=1)


def test_slots_take_the_jobs_in_order_and_all_that_they_report_arrives_once():
    jobs = queue(3)
    assert [jobs.take("a", None), jobs.take("b", None)] == [0, 1]
    assert jobs.report(1, "a round")
    assert jobs.take("b", (1, "done")) == 2
    news = jobs.news()
    assert news.reports == [(0, "started"), (1, "started"), (1, "a round"), (1, "done"), (2, "started")]
    assert news.unfinished == 2
    assert jobs.take("a", (0, "done")) is None
    assert jobs.take("b", (2, "done")) is None
    assert jobs.news().reports == [(0, "done"), (2, "done")]
    assert (jobs.news().reports, jobs.news().unfinished) == ([], 0)


def test_the_job_of_a_worker_that_died_is_taken_next_and_fails_once_it_died_too_often():
    jobs = queue(3)
    assert jobs.take("a", None) == 0
    assert jobs.lose("a")
    assert jobs.news().unfinished == 3
    assert jobs.take("b", None) == 0
    assert jobs.lose("b")
    assert jobs.news().reports == [(0, "started"), (0, "died")]
    assert jobs.take("c", None) == 1


def test_a_worker_that_dies_between_two_jobs_takes_none_with_it():
    jobs = queue(2)
    jobs.take("a", None)
    assert jobs.take("a", (0, "done")) == 1
    assert jobs.take("a", (1, "done")) is None
    assert not jobs.lose("a")
    assert not jobs.lose("never began")
    assert jobs.news().unfinished == 0


def test_jobs_that_wait_fail_when_no_worker_stays_alive():
    jobs = queue(2)
    jobs.give_up()
    assert (jobs.news().reports, jobs.take("a", None)) == ([(0, "died"), (1, "died")], None)


def test_a_queue_that_ends_gives_no_further_job_and_asks_the_others_to_end():
    jobs = queue(3)
    assert jobs.take("a", None) == 0
    jobs.end()
    assert not jobs.report(0, "a round")
    assert jobs.take("a", (0, "paused")) is None
    assert jobs.news().unfinished == 2


def test_a_queue_that_was_started_again_accepts_the_end_of_a_job_that_it_never_gave():
    jobs = queue(2)
    assert jobs.take("a", (1, "done")) == 0
    assert jobs.news().reports == [(1, "done"), (0, "started")]
