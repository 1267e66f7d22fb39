"""The list of licences names what is compiled into the function, and nothing else."""

import unittest

import licenses


class Licenses(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.crates = licenses.linked(licenses.metadata())

    def test_what_is_linked_is_listed_and_tools_are_not(self):
        names = {crate["name"] for crate in self.crates}
        self.assertLessEqual({"aws-sdk-elasticache", "lambda_runtime", "minicbor", "ring", "tokio"}, names)
        # A test's, a macro's, the build's, and our own.
        self.assertEqual({"insta", "serde_derive", "cc", "elasticache-resource", "simulator"} & names, set())

    def test_each_crate_is_there_and_a_text_that_must_be_passed_on_too(self):
        text = licenses.third_party()
        for crate in self.crates:
            self.assertIn(f"{crate['name']} {crate['version']} (", text)
        self.assertIn("Blue Oak Model License", text)
        for ours in ("ours", "/root/", "/home/"):
            self.assertNotIn(f"\n{ours}", text)


if __name__ == "__main__":
    unittest.main()
